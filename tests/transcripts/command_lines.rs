//! What the command line says of itself, and of command lines that are none.

use rig::{Gateway, Host, Invocation, World};

use crate::{Language, session::Session};

in_both_languages! {
    a_command_line_that_is_none,
    a_command_line_for_the_gateway_that_is_none,
}

fn a_command_line_that_is_none(language: Language) {
    let world = World::new();
    let mut person = Session::at(&world.host("one"), language);
    for words in [
        &["connect"][..],
        &["stats"],
        &["up", "--killswitch"],
        &["up", "--once", "--once"],
        &["up", "--wait"],
        &["up", "--wait", "soon"],
        &["up", "--token", "mine"],
        &["up", "--pin-fd", "1"],
        &["up", "--interface", "a/b"],
        &["up", "--on-removal", "grace:61"],
        &["up", "--on-removal", "later"],
        &["doctor", "--gateways", "--residue"],
        &["doctor", "--token", "0006:12345678"],
        &["token", "lost"],
        &["token", "issue", "--card-name", "Zoë"],
        &["token", "edit", "--endpoint", "vpn.example"],
        &["token", "edit", "--dns", "vpn.example"],
        &["token", "edit", "--route", "10.20"],
        &["token", "edit", "--name", ""],
        &["token", "edit", "--remove-gateway", "first"],
    ] {
        person.run(words, &[], 2);
    }
    person.is_as_written("a-wrong-command-line", &[]);
}

fn a_command_line_for_the_gateway_that_is_none(language: Language) {
    let world = World::new();
    let mut person = Session::at_gateway(&world.host("gateway"), language);
    for words in [
        &["start"][..],
        &["init"],
        &["init", "--endpoint", "vpn.example"],
        &["init", "--endpoint", "0.0.0.0:1", "--network", "10.0.0.0/8"],
        &["init", "--endpoint", "a:1", "--network", "10.77.0.0"],
        &["init", "--endpoint", "a:1", "--network", "10.77.0.1/24"],
        &["init", "--endpoint", "a:1", "--network", "10.77.0.0/31"],
        &[
            "init",
            "--endpoint",
            "a:1",
            "--network",
            "10.0.0.0/8,10.1.0.0/16",
        ],
        &["invite"],
        &["invite", "a", "b"],
        &["invite", "a", "--expires", "tomorrow"],
        &["invite", "a", "--address", "10.77.0"],
        &["add", "a", "--public-key", "mine"],
        &["revoke", "a", "--key", "AAAA"],
        &["reinstate"],
        &["reinstate", "a", "--all"],
        &["audit", "--since", "yesterday"],
    ] {
        person.run(words, &[], 2);
    }
    person.is_as_written("a-wrong-command-line-for-the-gateway", &[]);
}

/// The commands that a help lists.
#[cfg(debug_assertions)]
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    // What is indented further goes on with the line above.
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Looks at the help of a command and of all that it lists; gives the names of all.
#[cfg(debug_assertions)]
fn look_at(program: &dyn Fn(&[&str]) -> Invocation, words: &[&str]) -> Vec<String> {
    let asked = |last| program(&[words, &[last]].concat());
    let own = listed(&asked("--help").ok());
    let mut names = own.clone();
    for name in own.iter().filter(|name| *name != "help") {
        names.extend(look_at(program, &[words, &[name]].concat()));
    }
    let known = words
        .iter()
        .copied()
        .chain(names.iter().map(|name| &**name));
    let known: Vec<_> = known.collect();
    for option in ["-h", "--help"] {
        let help = asked(option).env("LC_ALL", "en_XA").ok();
        assert!(help.contains('⟦'), "{help}");
        crate::brackets::assert_only_these_outside(&help, &known);
    }
    names
}

#[test]
#[cfg(debug_assertions)]
fn every_help_stands_in_brackets() {
    let world = World::new();
    let host: Host = world.host("one");
    let gateway = Gateway::at(&host);
    let of_client = look_at(&|words| host.tokenvpn(words), &[]);
    let of_gateway = look_at(&|words| gateway.command(words), &[]);
    for (names, command) in [(of_client, "add-gateway"), (of_gateway, "reinstate")] {
        assert!(names.iter().any(|name| name == command), "{names:?}");
    }
    // The help that stands for a command.
    for words in [&["help"][..], &["help", "help"], &["help", "token", "edit"]] {
        let help = host.tokenvpn(words).env("LC_ALL", "en_XA").ok();
        let names = listed(&host.tokenvpn(words).ok());
        let names = names.iter().map(|name| &**name);
        let known: Vec<_> = names.chain(words.iter().copied()).collect();
        crate::brackets::assert_only_these_outside(&help, &known);
    }
}
