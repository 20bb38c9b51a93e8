//! `tokenvpn doctor`: what is wrong here, and what to do about it.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::cli::Doctor;
use crate::doctor::residue::traces;
use crate::doctor::trial::Trial;
use crate::doctor::{Finding, Verdict, look};
use crate::words::{self, Failure, code};

/// The version of what `--json` prints.
const SCHEMA: u32 = 1;

/// Prints what it finds; gives the exit code: 0 if nothing is wrong, or left.
///
/// # Errors
/// None so far.
pub(crate) fn run(options: &Doctor) -> Result<u8, Failure> {
    let (text, is_well) = match options.residue {
        true => residue(options.json),
        false => {
            let Doctor {
                token,
                pin_fd,
                no_keypad,
                ..
            } = *options;
            let trial = options.gateways.then_some(Trial {
                token,
                pin_fd,
                no_keypad,
            });
            examine(options.json, trial)
        }
    };
    // A closed stdout changes nothing about the answer, which is the exit code too.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(match is_well {
        true => 0,
        false => code::OTHER,
    })
}

fn examine(json: bool, trial: Option<Trial>) -> (String, bool) {
    let findings = look::at_everything(trial);
    let is_well = !findings
        .iter()
        .any(|finding| finding.verdict() == Verdict::Problem);
    if !json {
        return (words::findings(&findings), is_well);
    }
    let findings: Vec<_> = findings.iter().map(finding_json).collect();
    let document = json!({ "schema": SCHEMA, "well": is_well, "findings": findings });
    (format!("{document:#}\n"), is_well)
}

fn finding_json(finding: &Finding) -> Value {
    let mut document = json!({
        "check": finding.check(),
        "verdict": finding.verdict(),
        "what": words::found(finding),
        "hint": words::remedy(finding),
    });
    let (endpoint, address, round_trip_ms) = match finding {
        Finding::GatewayAnswers {
            endpoint,
            address,
            round_trip_ms,
        } => (endpoint, address, Some(round_trip_ms)),
        Finding::NoAnswer {
            endpoint, address, ..
        } => (endpoint, address, None),
        _ => return document,
    };
    document["endpoint"] = json!(endpoint);
    document["address"] = json!(address);
    document["round_trip_ms"] = json!(round_trip_ms);
    document
}

fn residue(json: bool) -> (String, bool) {
    let traces = traces();
    let is_clean = traces.is_empty();
    if !json {
        return (words::residue(&traces), is_clean);
    }
    let left: Vec<_> = traces
        .iter()
        .map(|trace| json!({ "kind": trace.kind(), "what": words::trace(trace) }))
        .collect();
    let document = json!({ "schema": SCHEMA, "clean": is_clean, "left": left });
    (format!("{document:#}\n"), is_clean)
}
