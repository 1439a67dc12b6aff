//! Reads the part of Gherkin that the kit is written in: features of scenarios of steps, some with a text.
//!
//! Anything else is refused, so that a newer kit is not half run. A whole Gherkin parser would segment Unicode text
//! with tables that everything else here does without.

use std::path::Path;

/// One scenario of a feature file.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// One step: its sentence without the keyword, and the text below it between `"""`.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) sentence: String,
    pub(crate) text: Option<String>,
}

/// The scenarios of a feature file.
pub(crate) fn read(file: &Path) -> Vec<Scenario> {
    let source = std::fs::read_to_string(file).expect("a feature file can be read");
    let mut scenarios: Vec<Scenario> = Vec::new();
    // What describes the feature, up to its first scenario, is for people.
    let mut is_described = false;
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if trimmed.starts_with("Feature:") {
            is_described = true;
        } else if let Some(name) = trimmed.strip_prefix("Scenario:") {
            is_described = false;
            scenarios.push(Scenario {
                name: name.trim().to_owned(),
                steps: Vec::new(),
            });
        } else if trimmed.starts_with("\"\"\"") {
            let step = scenarios
                .last_mut()
                .and_then(|scenario| scenario.steps.last_mut());
            let indent = line.len() - line.trim_start().len();
            step.expect("a text belongs to a step").text = Some(text(&mut lines, indent));
        } else if let Some(sentence) = sentence(trimmed) {
            let scenario = scenarios.last_mut().expect("a step belongs to a scenario");
            scenario.steps.push(Step {
                sentence: sentence.to_owned(),
                text: None,
            });
        } else {
            assert!(is_described, "{}: cannot read '{trimmed}'", file.display());
        }
    }
    scenarios
}

/// The lines up to the closing `"""`, without the indentation of the opening one.
fn text<'a>(lines: &mut impl Iterator<Item = &'a str>, indent: usize) -> String {
    let mut text = String::new();
    for line in lines {
        if line.trim() == "\"\"\"" {
            return text;
        }
        text.push_str(line.get(indent..).unwrap_or(line.trim_start()));
        text.push('\n');
    }
    panic!("a text has no end");
}

fn sentence(line: &str) -> Option<&str> {
    ["Given ", "When ", "Then ", "And ", "But "]
        .iter()
        .find_map(|keyword| line.strip_prefix(keyword))
}
