//! What a person may install beside the programs does what it says, as far as the programs that read
//! it can be asked.

use std::{fs, path::PathBuf, process::Command};

use rig::World;

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

/// No machine has to have a reader: here its part is played by the loopback link.
#[test]
fn the_udev_rule_starts_the_service_when_a_reader_is_plugged_in_and_at_nothing_else() {
    let rule = fs::read_to_string(contrib("examples/70-tokenvpn.rules")).expect("the rule");
    assert_eq!(rule.matches("SUBSYSTEM==\"usb\"").count(), 1);
    let at_a_link = rule.replace("SUBSYSTEM==\"usb\"", "SUBSYSTEM==\"net\"");
    let reader = "SUBSYSTEM==\"net\", ENV{ID_SMARTCARD_READER}=\"1\"\n";
    let world = World::new();
    let host = world.host("computer");
    let starts = |rules: &str, action: &str| {
        let written = host.within(|| {
            // With what udev has noted of the link before.
            let _ = fs::remove_dir_all("/run/udev");
            fs::create_dir_all("/run/udev/rules.d")?;
            fs::write("/run/udev/rules.d/70-tokenvpn.rules", rules)
        });
        written.expect("a rule of the host's own");
        let words = ["test", "--action", action, "/sys/class/net/lo"];
        let tested = host.run("udevadm").args(words).finish();
        let told = format!("{}{}", tested.stdout, tested.stderr);
        let file = "/run/udev/rules.d/70-tokenvpn.rules";
        assert!(
            told.contains(&format!("Reading rules file: {file}")),
            "{told}"
        );
        // With a line's number stands what udev cannot read.
        assert!(!told.contains(&format!("{file}:")), "{told}");
        told.contains("SYSTEMD_WANTS=tokenvpn.service")
    };
    assert!(starts(&format!("{reader}{at_a_link}"), "add"));
    assert!(!starts(&format!("{reader}{at_a_link}"), "remove"));
    assert!(!starts(&at_a_link, "add"), "it is no reader");
    assert!(
        !starts(&format!("{reader}{rule}"), "add"),
        "it is no USB device"
    );
}
