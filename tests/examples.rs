//! What a person may install beside the programs does what it says, as far as the programs that read
//! it can be asked.

use std::{path::PathBuf, process::Command};

fn contrib(file: &str) -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.join("../contrib").join(file)
}

/// Runs a program to its end; what it printed.
#[track_caller]
fn ask(program: &str, words: &[&str]) -> String {
    let asked = Command::new(program).args(words).output();
    let asked = asked.unwrap_or_else(|error| panic!("{program} runs: {error}"));
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&asked.stdout),
        String::from_utf8_lossy(&asked.stderr)
    );
    assert!(asked.status.success(), "{program}: {told}");
    told
}

/// What polkit makes of its rules (polkit(8)), as far as ours use it; then each question and the
/// answer to it.
const POLKIT: &str = r#"
var polkit = {
    Result: { YES: "yes", NOT_HANDLED: "not handled" },
    addRule: function (rule) { this.rule = rule; }
};
function asked(id, group, here, unit, verb) {
    var action = { id: id, lookup: function (key) { return { unit: unit, verb: verb }[key]; } };
    var subject = {
        isInGroup: function (name) { return name === group; }, local: here, active: here
    };
    return polkit.rule(action, subject);
}
"#;
const QUESTIONS: &str = r#"
var pcsc = "org.debian.pcsc-lite.", units = "org.freedesktop.systemd1.manage-units";
var ours = "tokenvpn.service";
[
    ["yes", asked(pcsc + "access_pcsc", "tokenvpn", false)],
    ["yes", asked(pcsc + "access_card", "tokenvpn", false)],
    ["not handled", asked(pcsc + "access_card", "users", true)],
    ["yes", asked(units, "tokenvpn", true, ours, "start")],
    ["yes", asked(units, "tokenvpn", true, ours, "stop")],
    ["not handled", asked(units, "tokenvpn", false, ours, "start")],
    ["not handled", asked(units, "users", true, ours, "start")],
    ["not handled", asked(units, "tokenvpn", true, ours, "set-property")],
    ["not handled", asked(units, "tokenvpn", true, "sshd.service", "start")],
    ["not handled", asked("org.freedesktop.login1.reboot", "tokenvpn", true)]
].forEach(function (pair, at) {
    print(at + ": " + (pair[0] === pair[1] ? "as expected" : pair.join(" expected, ")));
});
"#;

#[test]
fn the_polkit_rule_lets_its_group_do_what_it_names_and_nothing_else() {
    let rule = std::fs::read_to_string(contrib("polkit/50-tokenvpn.rules")).expect("the rule");
    let script = format!("{POLKIT}{rule}{QUESTIONS}");
    // The interpreter of polkit itself.
    let told = ask("duk", &["-e", &script]);
    let answers: Vec<_> = told.lines().filter(|line| line.contains(": ")).collect();
    assert_eq!(answers.len(), 10, "{told}");
    for answer in answers {
        assert!(answer.ends_with(": as expected"), "{told}");
    }
}

#[test]
fn the_menu_s_entry_is_valid() {
    let entry = contrib("examples/tokenvpn.desktop");
    let told = ask("desktop-file-validate", &[&entry.to_string_lossy()]);
    assert_eq!(told, "");
}
