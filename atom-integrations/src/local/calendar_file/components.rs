//! The calendars of an iCalendar file and their components, each as text with the line it begins on.
//!
//! Components are cut apart before any of them is parsed, so that a broken event costs only itself.

use atom_core::{Error, ErrorCode, Result};

use super::lines::{Line, Lines, shown};

/// How deep components may be nested. Real files need three levels.
pub(super) const MAX_DEPTH: usize = 32;

/// How many values and parameters one component may have. The parser makes a record of each.
const MAX_VALUES: usize = 50_000;

/// The properties that are read; attachments and the like do not reach the parser.
const PROPERTIES: &[&str] = &[
    "ATTENDEE",
    "CREATED",
    "DESCRIPTION",
    "DTEND",
    "DTSTAMP",
    "DTSTART",
    "DURATION",
    "EXDATE",
    "LAST-MODIFIED",
    "LOCATION",
    "ORGANIZER",
    "RDATE",
    "RECURRENCE-ID",
    "SEQUENCE",
    "STATUS",
    "SUMMARY",
    "TRANSP",
    "TZID",
    "TZOFFSETFROM",
    "TZOFFSETTO",
    "UID",
    "URL",
    "X-LIC-LOCATION",
    "X-MICROSOFT-CDO-BUSYSTATUS",
];

/// A part of a file that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) reason: String,
}

/// One component without the components inside it, which are kept only for a time zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) line: usize,
    /// The component for the parser, unfolded: the properties that are read, without its recurrence rules.
    pub(super) text: String,
    /// The values of its recurrence rules, as written.
    pub(super) rules: Vec<String>,
    /// The observances of a time zone.
    pub(super) parts: Vec<Self>,
    /// An upper bound of its values and parameters.
    values: usize,
    /// Why it cannot be used.
    problem: Option<String>,
}

/// One `VCALENDAR`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Calendar {
    /// In upper case.
    pub(super) method: Option<String>,
    pub(super) zones: Vec<Component>,
    pub(super) events: Vec<Component>,
    pub(super) problems: Vec<Problem>,
}

/// Cuts a file into its calendars.
#[derive(Default)]
struct Cutter {
    /// The components that are open, outermost first.
    open: Vec<Component>,
    calendar: Calendar,
    calendars: Vec<Calendar>,
    /// Whether the lines at hand lie outside every calendar and were reported.
    is_outside: bool,
}

/// The calendars of a file.
///
/// # Errors
/// `invalid_data` with the `line` when the file does not begin with a calendar, or nests components too deeply.
pub(super) fn calendars(bytes: &[u8]) -> Result<Vec<Calendar>> {
    let mut cutter = Cutter::default();
    for line in Lines::new(bytes) {
        cutter.line(&line)?;
    }
    cutter.finish()
}

impl Component {
    fn keep(&mut self, line: &Line<'_>) {
        let Some((name, value)) = PROPERTIES
            .iter()
            .find_map(|name| Some((*name, line.value_of(name)?)))
        else {
            return;
        };
        // Separators in a text are text.
        let is_text = matches!(name, "DESCRIPTION" | "LOCATION" | "SUMMARY");
        let values = if is_text {
            line.text.len() - value.len()
        } else {
            line.text.len()
        };
        let separators = line
            .text
            .bytes()
            .take(values)
            .filter(|byte| matches!(byte, b',' | b';'))
            .count();
        self.values += separators + 1;
        if self.values > MAX_VALUES {
            self.problem = Some(format!("it has more than {MAX_VALUES} values and parameters"));
            return;
        }
        self.text.push_str(&line.text);
        self.text.push_str("\r\n");
    }
}

fn invalid(line: usize, message: &str) -> Error {
    Error::new(ErrorCode::InvalidData, message).with_context("line", line)
}

impl Cutter {
    fn line(&mut self, line: &Line<'_>) -> Result<()> {
        if let Some(name) = line.value_of("BEGIN") {
            return self.begin(line, &name.trim().to_ascii_uppercase());
        }
        if let Some(name) = line.value_of("END").filter(|_| !self.open.is_empty()) {
            self.end(line.number, &name.trim().to_ascii_uppercase());
            return Ok(());
        }
        let Some(component) = self.open.last_mut() else {
            return if line.text.trim().is_empty() {
                Ok(())
            } else {
                self.outside(line)
            };
        };
        if component.name == "VCALENDAR" {
            if let Some(method) = line.value_of("METHOD") {
                self.calendar.method = Some(method.trim().to_ascii_uppercase());
            }
        } else if let Some(rule) = line.value_of("RRULE") {
            component.rules.push(rule.trim().to_owned());
        } else if line.value_of("EXRULE").is_some() {
            component.problem = Some("EXRULE is not supported; use EXDATE".to_owned());
        } else if component.problem.is_none() {
            component.keep(line);
        }
        Ok(())
    }

    fn outside(&mut self, line: &Line<'_>) -> Result<()> {
        if self.calendars.is_empty() {
            return Err(invalid(
                line.number,
                "this is not an iCalendar file: it does not begin with BEGIN:VCALENDAR",
            ));
        }
        if !self.is_outside {
            self.is_outside = true;
            self.problem(line.number, "lies outside BEGIN:VCALENDAR and END:VCALENDAR");
        }
        Ok(())
    }

    fn begin(&mut self, line: &Line<'_>, name: &str) -> Result<()> {
        if self.open.is_empty() && name != "VCALENDAR" {
            return self.outside(line);
        }
        if self.open.len() == MAX_DEPTH {
            return Err(invalid(
                line.number,
                "components are nested too deeply; this is not a usable calendar",
            ));
        }
        self.is_outside = false;
        let text = format!("BEGIN:{name}\r\n");
        self.open.push(Component {
            name: name.to_owned(),
            line: line.number,
            text,
            ..Component::default()
        });
        Ok(())
    }

    fn end(&mut self, number: usize, name: &str) {
        let Some(depth) = self.open.iter().rposition(|component| component.name == name) else {
            if let Some(component) = self
                .open
                .last_mut()
                .filter(|component| component.name != "VCALENDAR")
            {
                component.problem = Some(format!(
                    "line {number}: END:{} does not end {}",
                    shown(name),
                    component.name
                ));
            }
            return;
        };
        // What is still open inside was never ended.
        while self.open.len() > depth + 1 {
            if let Some(inner) = self.open.pop() {
                let reason = format!("line {number}: END:{name} comes before END:{}", inner.name);
                self.unfinished(inner, reason);
            }
        }
        if let Some(component) = self.open.pop() {
            self.close(component);
        }
    }

    /// Gives up a component that was never ended: an event by itself, anything else with what it lies in.
    fn unfinished(&mut self, component: Component, reason: String) {
        if component.name == "VEVENT" {
            self.problem(component.line, reason);
        } else if let Some(parent) = self.open.last_mut().filter(|parent| parent.name != "VCALENDAR") {
            parent.problem = Some(reason);
        }
    }

    fn close(&mut self, mut component: Component) {
        component.text.push_str("END:");
        component.text.push_str(&component.name);
        component.text.push_str("\r\n");
        match (component.name.as_str(), component.problem.take()) {
            ("VCALENDAR", _) if self.open.is_empty() => {
                self.calendars.push(std::mem::take(&mut self.calendar));
            }
            ("VEVENT" | "VTIMEZONE", Some(reason)) => self.problem(component.line, reason),
            ("VEVENT", None) => self.calendar.events.push(component),
            ("VTIMEZONE", None) => self.calendar.zones.push(component),
            ("STANDARD" | "DAYLIGHT", None) => {
                if let Some(zone) = self.open.last_mut().filter(|parent| parent.name == "VTIMEZONE") {
                    zone.parts.push(component);
                }
            }
            _ => {}
        }
    }

    fn problem(&mut self, line: usize, reason: impl Into<String>) {
        self.calendar.problems.push(Problem {
            line,
            reason: reason.into(),
        });
    }

    fn finish(mut self) -> Result<Vec<Calendar>> {
        while let Some(component) = self.open.pop() {
            let reason = format!("END:{} is missing; the file may be cut off", component.name);
            if self.open.is_empty() {
                self.problem(component.line, reason);
            } else {
                self.unfinished(component, reason);
            }
        }
        if self.calendar != Calendar::default() {
            self.calendars.push(self.calendar);
        }
        if self.calendars.is_empty() {
            return Err(invalid(1, "this is not an iCalendar file: it is empty"));
        }
        Ok(self.calendars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<(usize, String)> {
        calendars(text.as_bytes())
            .unwrap()
            .into_iter()
            .flat_map(|calendar| calendar.problems)
            .map(|problem| (problem.line, problem.reason))
            .collect()
    }

    #[test]
    fn events_and_zones_are_cut_out_of_every_calendar() {
        let text = "BEGIN:VCALENDAR\nMETHOD:Request\nBEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nRRULE:FREQ=YEARLY\n\
                    END:STANDARD\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:1\nRRULE:FREQ=DAI\n LY\nBEGIN:VALARM\nUID:2\n\
                    END:VALARM\nEND:VEVENT\nEND:VCALENDAR\n\nBEGIN:VCALENDAR\nEND:VCALENDAR\n";
        let calendars = calendars(text.as_bytes()).unwrap();
        assert_eq!(calendars.len(), 2);
        let calendar = &calendars[0];
        assert_eq!(calendar.method.as_deref(), Some("REQUEST"));
        assert_eq!(calendar.zones[0].parts[0].rules, ["FREQ=YEARLY"]);
        assert_eq!(
            (calendar.events[0].line, calendar.events[0].rules.as_slice()),
            (9, &["FREQ=DAILY".to_owned()][..])
        );
        assert_eq!(calendar.events[0].text, "BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n");
        assert_eq!(calendars[1], Calendar::default());
    }

    #[test]
    fn what_is_no_calendar_is_refused_with_its_line() {
        let nested = "BEGIN:VCALENDAR\n".to_owned() + &"BEGIN:X\n".repeat(10_000);
        for (text, line, part) in [
            ("", "1", "empty"),
            ("\r\n\r\n", "1", "empty"),
            ("\n\nhello", "3", "BEGIN:VCALENDAR"),
            ("BEGIN:VEVENT\nEND:VEVENT", "1", "BEGIN:VCALENDAR"),
            ("END:VCALENDAR", "1", "BEGIN:VCALENDAR"),
            ("\0\u{1}\u{2}PNG", "1", "BEGIN:VCALENDAR"),
            (&nested, "33", "nested too deeply"),
        ] {
            let error = calendars(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidData);
            assert_eq!(error.context()["line"], line, "{error}");
            assert!(error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn a_broken_component_costs_only_itself() {
        let good = "BEGIN:VEVENT\nUID:good\nEND:VEVENT\n";
        for (broken, line, part) in [
            (
                "BEGIN:VEVENT\nEND:VTODO\nEND:VEVENT\n",
                5,
                "END:VTODO does not end VEVENT",
            ),
            (
                "BEGIN:VEVENT\nBEGIN:VALARM\nEND:VEVENT\n",
                5,
                "END:VEVENT comes before END:VALARM",
            ),
            (
                "BEGIN:VEVENT\nEXRULE:FREQ=DAILY\nEND:VEVENT\n",
                5,
                "EXRULE is not supported",
            ),
            (
                "BEGIN:VTIMEZONE\nBEGIN:STANDARD\nEND:VTIMEZONE\n",
                5,
                "END:VTIMEZONE comes before END:STANDARD",
            ),
        ] {
            let text = format!("BEGIN:VCALENDAR\n{good}{broken}{good}END:VCALENDAR\n");
            let calendars = calendars(text.as_bytes()).unwrap();
            assert_eq!(calendars[0].events.len(), 2, "{broken}");
            let problems = problems(&text);
            assert_eq!((problems.len(), problems[0].0), (1, line), "{problems:?}");
            assert!(problems[0].1.contains(part), "{problems:?}");
        }
    }

    #[test]
    fn a_file_that_is_cut_off_keeps_its_whole_events() {
        let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\nBEGIN:VEVENT\nUID:2\n";
        assert_eq!(calendars(text.as_bytes()).unwrap()[0].events.len(), 1);
        let lines: Vec<_> = problems(text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [5, 1]);
        let outside = "BEGIN:VCALENDAR\nEND:VCALENDAR\njunk\njunk\nBEGIN:VCALENDAR\nEND:VCALENDAR\n";
        assert_eq!(problems(outside).len(), 1);
    }
}
