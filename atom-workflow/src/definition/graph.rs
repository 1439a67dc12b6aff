//! Draws a workflow as a Mermaid flowchart (<https://mermaid.js.org/syntax/flowchart.html>).

use std::fmt::Write;

use super::types::{
    CallTarget, DurationSpec, EventStrategy, FlowDirective, Listen, ProcessKind, Task, TaskKind, TaskList,
    Transform, Try, Workflow,
};

/// The longest line of a label, in characters.
const LABEL_LENGTH: usize = 60;
const FINISH: &str = "finish";

/// Draws a workflow as a Mermaid flowchart: a node for each task, a box for each task with tasks inside.
///
/// ```
/// use atom_workflow::definition::{Workflow, graph};
///
/// let workflow = Workflow::parse(
///     "
/// document: {dsl: 1.0.3, namespace: examples, name: pause, version: 1.0.0}
/// do:
///   - rest: {wait: PT5S}
/// ",
/// )?;
/// assert_eq!(
///     graph(&workflow),
///     "flowchart TD
///     start([start])
///     n1[\"rest<br/>wait 5s\"]
///     finish([end])
///     start --> n1
///     n1 --> finish
/// "
/// );
/// # Ok::<(), atom_core::Error>(())
/// ```
#[must_use]
pub fn graph(workflow: &Workflow) -> String {
    let mut drawing = Drawing {
        text: "flowchart TD\n".to_owned(),
        edges: Vec::new(),
        count: 0,
        depth: 1,
    };
    drawing.line("start([start])");
    let first = drawing.list(&workflow.tasks, Some(FINISH));
    drawing.line(&format!("{FINISH}([end])"));
    let first = first.as_deref().unwrap_or(FINISH);
    // Edges stand last: a node belongs to the box in which it is first mentioned.
    let edges = std::mem::take(&mut drawing.edges);
    drawing.line(&format!("start --> {first}"));
    for edge in edges {
        drawing.line(&edge);
    }
    drawing.text
}

struct Drawing {
    text: String,
    edges: Vec<String>,
    count: usize,
    depth: usize,
}

/// The tasks of a list while its edges are drawn.
struct Scope<'w> {
    tasks: &'w TaskList,
    nodes: Vec<String>,
    /// Where the list ends; a node is made for it when an edge needs one.
    end: Option<String>,
}

impl Drawing {
    fn line(&mut self, line: &str) {
        for _ in 0..self.depth {
            self.text.push_str("    ");
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn name(&mut self) -> String {
        self.count += 1;
        format!("n{}", self.count)
    }

    fn edge(&mut self, from: &str, label: &str, to: &str) {
        let mut edge = from.to_owned();
        // Writing to a string cannot fail.
        let _ = if label.is_empty() {
            write!(edge, " --> {to}")
        } else {
            write!(edge, " -->|\"{}\"| {to}", escaped(label))
        };
        self.edges.push(edge);
    }

    /// Draws a list and gives the node of its first task.
    fn list(&mut self, tasks: &TaskList, end: Option<&str>) -> Option<String> {
        let nodes: Vec<_> = tasks.tasks.iter().map(|_| self.name()).collect();
        let mut scope = Scope {
            tasks,
            nodes,
            end: end.map(str::to_owned),
        };
        for (position, task) in tasks.tasks.iter().enumerate() {
            self.task(task, position, &mut scope);
        }
        scope.nodes.into_iter().next()
    }

    fn task(&mut self, task: &Task, position: usize, scope: &mut Scope<'_>) {
        let Some(node) = scope.nodes.get(position).cloned() else {
            return;
        };
        let label = label(task);
        match &task.kind {
            TaskKind::Switch(cases) => {
                self.line(&format!("{node}{{\"{label}\"}}"));
                for case in cases {
                    let condition = case
                        .when
                        .as_ref()
                        .map_or(String::new(), |when| format!(": {}", when.source()));
                    let target = self.target(&case.then, position, scope);
                    self.edge(&node, &format!("{}{condition}", case.name), &target);
                }
                if cases.iter().all(|case| case.when.is_some()) {
                    let target = self.target(&task.then, position, scope);
                    self.edge(&node, "otherwise", &target);
                }
                return;
            }
            TaskKind::Do(tasks) => self.frame(&node, &label, tasks),
            TaskKind::For(repeated) => self.frame(&node, &label, &repeated.tasks),
            TaskKind::Listen(Listen {
                foreach: Some(foreach),
                ..
            }) => self.frame(&node, &label, &foreach.tasks),
            TaskKind::Subscribe(subscribe) => match &subscribe.foreach {
                Some(foreach) => self.frame(&node, &label, &foreach.tasks),
                None => self.line(&format!("{node}[\"{label}\"]")),
            },
            TaskKind::Fork(fork) => self.branches(&node, &label, &fork.branches),
            TaskKind::Try(attempt) => self.attempt(&node, &label, attempt, position, scope),
            _ => self.line(&format!("{node}[\"{label}\"]")),
        }
        let is_end_of_inner_list =
            task.then == FlowDirective::Continue && position + 1 == scope.nodes.len() && scope.end.is_none();
        if !is_end_of_inner_list && !matches!(task.kind, TaskKind::Raise(_)) {
            let target = self.target(&task.then, position, scope);
            self.edge(&node, "", &target);
        }
    }

    /// The node that a directive leads to.
    fn target(&mut self, directive: &FlowDirective, position: usize, scope: &mut Scope<'_>) -> String {
        let next = match directive {
            FlowDirective::End => return FINISH.to_owned(),
            FlowDirective::Continue => scope.nodes.get(position + 1),
            FlowDirective::Exit => None,
            FlowDirective::Task(name) => scope
                .tasks
                .position(name)
                .and_then(|target| scope.nodes.get(target)),
        };
        if let Some(next) = next {
            return next.clone();
        }
        if scope.end.is_none() {
            let node = self.name();
            self.line(&format!("{node}(( ))"));
            scope.end = Some(node);
        }
        scope.end.clone().unwrap_or_default()
    }

    fn open(&mut self, node: &str, label: &str) {
        self.line(&format!("subgraph {node}[\"{label}\"]"));
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line("end");
    }

    /// A box with tasks that run in order; without any it is a plain node.
    fn frame(&mut self, node: &str, label: &str, tasks: &TaskList) {
        if tasks.tasks.is_empty() {
            return self.line(&format!("{node}[\"{label}\"]"));
        }
        self.open(node, label);
        self.list(tasks, None);
        self.close();
    }

    /// A box with tasks that run side by side.
    fn branches(&mut self, node: &str, label: &str, branches: &TaskList) {
        self.open(node, label);
        for branch in &branches.tasks {
            let single = TaskList {
                tasks: vec![std::sync::Arc::clone(branch)],
            };
            self.list(&single, None);
        }
        self.close();
    }

    fn attempt(&mut self, node: &str, label: &str, attempt: &Try, position: usize, scope: &mut Scope<'_>) {
        self.open(node, label);
        let tried = self.name();
        self.frame(&tried, "try", &attempt.tasks);
        let handler = self.name();
        let empty = TaskList::default();
        self.frame(&handler, "catch", attempt.handler.as_ref().unwrap_or(&empty));
        self.close();
        self.edges.push(format!("{tried} -.->|\"error\"| {handler}"));
        if let Some(then) = &attempt.then {
            let target = self.target(then, position, scope);
            self.edge(&handler, "caught", &target);
        }
    }
}

/// The name of a task, what it does and its condition, ready to stand in quotes.
fn label(task: &Task) -> String {
    let mut lines = vec![task.name.clone(), summary(task)];
    if let Some(condition) = &task.condition {
        lines.push(format!("if {}", condition.source()));
    }
    if task.approve.is_some() {
        lines.push("after an approval".to_owned());
    }
    if let Some(compensate) = &task.compensate {
        let names: Vec<_> = compensate.tasks.iter().map(|task| task.name.as_str()).collect();
        lines.push(format!("undone by {}", names.join(", ")));
    }
    lines
        .iter()
        .map(|line| escaped(line))
        .collect::<Vec<_>>()
        .join("<br/>")
}

fn summary(task: &Task) -> String {
    match &task.kind {
        TaskKind::Do(_) => "do".to_owned(),
        TaskKind::Set(_) => "set".to_owned(),
        TaskKind::Call(call) => match &call.target {
            CallTarget::Defined(function) | CallTarget::External(function) => {
                format!("call {}", function.name)
            }
            target => format!("call {}", target.function().unwrap_or_default()),
        },
        TaskKind::Subscribe(_) => "subscribe".to_owned(),
        TaskKind::Switch(_) => "switch".to_owned(),
        TaskKind::For(repeated) => match &repeated.collection {
            Transform::Expression(collection) => {
                format!("for each {} in {}", repeated.each, collection.source())
            }
            Transform::Template(_) => format!("for each {}", repeated.each),
        },
        TaskKind::Fork(fork) if fork.is_competing => "fork, the first wins".to_owned(),
        TaskKind::Fork(_) => "fork".to_owned(),
        TaskKind::Try(_) => "try".to_owned(),
        TaskKind::Raise(_) => "raise".to_owned(),
        TaskKind::Wait(DurationSpec::Fixed(duration)) => format!("wait {duration}"),
        TaskKind::Wait(DurationSpec::Expression(duration)) => format!("wait {}", duration.source()),
        TaskKind::Emit(_) => {
            let kind = task
                .source
                .pointer("/emit/event/with/type")
                .and_then(|kind| kind.as_str());
            format!("emit {}", kind.unwrap_or("event"))
        }
        TaskKind::Listen(listen) => match &listen.to {
            EventStrategy::One(_) => "listen to one event".to_owned(),
            EventStrategy::All(filters) => format!("listen to all of {} events", filters.len()),
            EventStrategy::Any { .. } => "listen to any event".to_owned(),
        },
        TaskKind::Run(workflow) => format!("run {}/{}", workflow.namespace, workflow.name),
        TaskKind::Process(process) => match process.kind {
            ProcessKind::Shell => "run shell".to_owned(),
            ProcessKind::Script => "run script".to_owned(),
            ProcessKind::Container => "run container".to_owned(),
        },
        TaskKind::Unsupported => {
            let kinds = ["call", "run", "listen"];
            let kind = kinds
                .into_iter()
                .find(|kind| task.source.get(kind).is_some())
                .unwrap_or("task");
            format!("{kind}, not supported")
        }
    }
}

/// A text that Mermaid shows as it is: every character that could mean something to it becomes an entity.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for (index, letter) in text.chars().enumerate() {
        if index == LABEL_LENGTH {
            escaped.push('…');
            break;
        }
        if letter.is_whitespace() {
            escaped.push(' ');
        } else if letter.is_alphanumeric() || ".,-_/:=+$'()".contains(letter) {
            escaped.push(letter);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "#{};", u32::from(letter));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(tasks: &str) -> String {
        let head = "document: {dsl: 1.0.3, namespace: tests, name: graph, version: 1.0.0}\ndo:\n";
        let text = graph(&Workflow::parse(&format!("{head}{tasks}")).unwrap());
        // Indentation and the fixed frame are of no interest to the cases below.
        let lines = text
            .lines()
            .skip(2)
            .map(str::trim)
            .filter(|line| *line != "finish([end])");
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn cases_lead_where_they_say() {
        let text = drawn(
            r#"
  - choose:
      switch:
        - big: {when: .size > 3, then: pack}
        - odd: {when: '.name == "x"', then: end}
  - send: {call: mail.send, if: .ready, then: exit}
  - pack: {set: {a: 1}}
"#,
        );
        assert_eq!(
            text,
            "n1{\"choose<br/>switch\"}
n2[\"send<br/>call mail.send<br/>if .ready\"]
n3[\"pack<br/>set\"]
start --> n1
n1 -->|\"big: .size #62; 3\"| n3
n1 -->|\"odd: .name == #34;x#34;\"| finish
n1 -->|\"otherwise\"| n2
n2 --> finish
n3 --> finish"
        );
    }

    #[test]
    fn tasks_with_tasks_inside_are_boxes() {
        let text = drawn(
            "
  - all:
      fork:
        branches:
          - left: {set: {a: 1}}
          - right: {wait: PT1M}
  - each:
      for: {each: pet, in: .pets}
      do:
        - check: {set: {a: 1}, then: exit}
        - never: {set: {a: 1}}
  - risky:
      try:
        - fetch: {run: {workflow: {namespace: a, name: b, version: latest}}}
      catch:
        do:
          - tell: {emit: {event: {with: {type: it.failed}}}}
        then: each
",
        );
        assert_eq!(
            text,
            "subgraph n1[\"all<br/>fork\"]
n4[\"left<br/>set\"]
n5[\"right<br/>wait 60s\"]
end
subgraph n2[\"each<br/>for each pet in .pets\"]
n6[\"check<br/>set\"]
n8(( ))
n7[\"never<br/>set\"]
end
subgraph n3[\"risky<br/>try\"]
subgraph n9[\"try\"]
n10[\"fetch<br/>run a/b\"]
end
subgraph n11[\"catch\"]
n12[\"tell<br/>emit it.failed\"]
end
end
start --> n1
n1 --> n2
n6 --> n8
n7 --> n8
n2 --> n3
n9 -.->|\"error\"| n11
n11 -->|\"caught\"| n2
n3 --> finish"
        );
    }

    #[test]
    fn labels_cannot_break_out_of_their_quotes() {
        let text = drawn("  - \"a\\\"]; click n1 \\n`b` <script>#\": {set: {a: 1}}\n");
        assert!(
            text.starts_with("n1[\"a#34;#93;#59; click n1  #96;b#96; #60;script#62;#35;<br/>set\"]"),
            "{text}"
        );
    }

    #[test]
    fn an_empty_workflow_goes_straight_to_its_end() {
        assert_eq!(drawn("  []\n"), "start --> finish");
    }
}
