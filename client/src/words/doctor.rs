//! What `doctor` says of its findings, and what to do about them.

use std::net::SocketAddr;

use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::language::say;
use tokenvpn_common::profile::MTU_RANGE;

use super::status::is_everything;
use super::{down, let_go, list, minute, state_name};
use crate::config;
use crate::doctor::residue::Trace;
use crate::doctor::{Finding, NoAnswer, Others, Verdict, Wait};
use crate::message::TRIAL_TIME;
use crate::words::{Failure, code, printable, printable_lines};

/// All findings, one a line, with what to do below those that need something done.
pub(crate) fn findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut problems = 0;
    for (at, finding) in findings.iter().enumerate() {
        let mark = match finding.verdict() {
            Verdict::Ok => say().verdict_ok(),
            Verdict::Warning => say().verdict_warning(),
            Verdict::Problem => say().verdict_problem(),
            Verdict::Unchecked => say().verdict_unchecked(),
        };
        problems += u64::from(finding.verdict() == Verdict::Problem);
        let (check, what) = (finding.check(), found(finding));
        text.push_str(&format!("{mark:<8} {check:<12}{what}\n"));
        // What helps against several in a row is said once.
        let next = findings.get(at + 1).and_then(remedy);
        if let Some(remedy) = remedy(finding).filter(|own| Some(own) != next.as_ref()) {
            text.push_str(&format!("{:<21}{}\n", "", say().remedy_below(&remedy)));
        }
    }
    text.push_str(&match problems {
        0 => say().no_problem_found(),
        problems => say().problems_found(problems),
    });
    text.push('\n');
    text
}

/// What is so.
pub(crate) fn found(finding: &Finding) -> String {
    use Finding as F;
    let text = match finding {
        F::Permitted => say().may_make_tunnels(),
        F::NotPermitted => say().may_not_make_tunnels(),
        F::Tun => say().tun_can_be_opened(),
        F::NoTun { reason } => say().tun_cannot_be_opened(reason),
        F::Service => say().card_service_answers(),
        F::NoService => say().card_service_is_silent(),
        F::ServiceRefuses => say().card_service_refuses(),
        F::ServiceFails { reason } => say().card_service_fails(reason),
        F::Reader { name } => name.clone(),
        F::NoReader => say().no_reader_plugged_in(),
        F::NoToken => say().no_token_plugged_in(),
        F::TokenBusy { holders } if holders.is_empty() => say().token_held_by_somebody(),
        F::TokenBusy { holders } => say().token_held_by(&list(holders)),
        F::TokenAsked { .. } => say().token_held_by_up(),
        F::Unsupported { reader } => say().card_without_room(reader),
        F::TokenFails { reader, reason } => say().card_in_reader_fails(reader, reason),
        F::Token { token, name: None } => token.to_string(),
        F::Token {
            token,
            name: Some(name),
        } => format!("{token} ({name})"),
        F::SeveralTokens { number } => say().several_tokens_plugged_in(*number),
        F::FewTries { token, left } => say().token_has_few_tries(token, *left),
        F::PinBlocked { token } => say().pin_of_token_blocked(token),
        F::Room { token, bytes } => say().token_has_room(token, *bytes),
        F::Profile {
            token,
            not_after: None,
        } => say().token_has_endless_profile(token),
        F::Profile {
            token,
            not_after: Some(end),
        } => say().token_has_profile_until(token, &end.day()),
        F::ProfileExpiresSoon {
            token,
            not_after,
            now,
        } => {
            let days = not_after.days_since(*now).unsigned_abs();
            say().profile_expires_soon(token, days, &not_after.day())
        }
        F::ProfileExpired { token, not_after } => {
            say().profile_has_expired(token, &not_after.day())
        }
        F::NoLabel { token } => say().token_without_label(token),
        F::BadLabel { token, what } => say().label_cannot_be_used(token, what),
        F::TellsResolved => say().resolved_takes_name_servers(),
        F::NoResolvectl => say().resolvectl_missing(),
        F::MountsFile => say().resolv_conf_can_be_replaced(),
        F::NoResolvConf => say().no_resolv_conf(),
        F::Clock { now } => say().clock_shows(&minute(*now)),
        F::ClockWrong { now } => say().clock_cannot_be_right(&minute(*now)),
        F::Closed {
            interface,
            networks,
            is_connected,
        } => match (is_connected, is_everything(networks)) {
            (true, true) => say().everything_is_closed_all_the_same(interface),
            (true, false) => say().networks_are_closed_all_the_same(interface, &list(networks)),
            (false, true) => say().everything_closed_until_up(interface),
            (false, false) => say().networks_closed_until_up(interface, &list(networks)),
        },
        F::WayOut { interface, mtu } => say().way_out(interface, mtu),
        F::NarrowWayOut {
            interface,
            mtu,
            whole,
            longest,
        } => say().narrow_way_out(interface, mtu, *whole, *longest),
        F::NoWayOut => say().no_way_out(),
        F::Connected {
            interface,
            gateway,
            handshake: None,
        } => say().running_and_connected(interface, gateway),
        F::Connected {
            interface,
            gateway,
            handshake: Some(seconds),
        } => say().running_and_connected_since(interface, gateway, *seconds),
        F::NotConnected { interface, state } => {
            say().running_and_not_connected(interface, &state_name(state))
        }
        F::GatewaysLeft { .. } => say().gateways_left_to_up(),
        F::GatewayUnchecked => say().gateways_not_known(),
        F::GatewayAnswers {
            endpoint,
            address,
            round_trip_ms,
        } => say().gateway_answered_token(&place(endpoint, address), *round_trip_ms),
        F::NoAnswer {
            endpoint,
            address,
            why,
            ..
        } => {
            let place = place(endpoint, address);
            match why {
                NoAnswer::Silent => say().gateway_is_silent(&place, TRIAL_TIME.as_secs()),
                NoAnswer::Refused => say().nobody_listens_at(&place),
                NoAnswer::Unsent { reason } => say().place_cannot_be_reached(&place, reason),
            }
        }
        F::GatewayUnresolved { name, .. } => say().name_without_address(name),
        F::GatewaysUntried(failure) => say().gateways_not_tried(&failure.what),
        F::Tidy => say().nothing_left_behind(),
        F::Left(left) => trace(left),
    };
    printable_lines(&text)
}

/// What to do about it, if anything.
pub(crate) fn remedy(finding: &Finding) -> Option<String> {
    use Finding as F;
    Some(match finding {
        F::NotPermitted => say().run_doctor_as_root(),
        F::NoTun { .. } => say().load_tun_or_pass_it_in(),
        F::NoService => say().start_the_service(),
        F::ServiceRefuses => say().be_allowed_to_use_cards(),
        F::ServiceFails { .. } => say().restart_card_service(),
        F::NoReader => say().plug_in_a_reader(),
        F::NoToken => say().plug_in_any_token(),
        F::TokenBusy { holders } => let_go(holders),
        F::TokenAsked { interface } => say().type_pin_there_or_end(&down(interface)),
        F::Unsupported { .. } => say().supported_cards(),
        F::TokenFails { .. } => say().try_another_port(),
        F::SeveralTokens { .. } => say().choose_a_token_for_up(&config::PATH),
        F::FewTries { .. } => say().right_pin_restores_tries(),
        F::PinBlocked { .. } => say().unblock_the_pin(),
        F::ProfileExpiresSoon { .. } | F::ProfileExpired { .. } => say().have_profile_renewed(),
        F::NoLabel { .. } => say().look_with_pin(),
        F::BadLabel { .. } => say().look_with_pin_and_reissue(),
        F::NoResolvectl => say().install_resolvectl(),
        F::NoResolvConf => say().make_resolv_conf(),
        F::ClockWrong { .. } => say().set_clock(),
        F::NarrowWayOut { whole, .. } if *whole >= u32::from(*MTU_RANGE.start()) => {
            say().lower_mtu_or_other_network(whole)
        }
        F::NarrowWayOut { .. } => say().use_another_network(),
        F::Closed { interface, .. } => say().closed_as_asked_to(&down(interface)),
        F::NoWayOut => say().look_for_a_network(),
        F::NotConnected { state, .. } => match Wait::of(state) {
            Some(Wait::Token) => say().up_waits_for_token(),
            Some(Wait::Service) => say().up_waits_for_service(),
            Some(Wait::Holder) => say().up_waits_for_holder(),
            Some(Wait::Pin) => say().up_waits_for_pin(),
            Some(Wait::Gateway) => say().up_waits_for_gateway(),
            None if state == "unreachable" || state == "lost" => say().up_hears_no_gateway(),
            None => say().see_what_up_says(),
        },
        F::GatewaysLeft { interface } => say().end_up_to_ask_gateways(&down(interface)),
        F::GatewayUnchecked => say().try_gateways_with_pin(),
        F::NoAnswer {
            why: NoAnswer::Silent,
            others,
            ..
        } => match others {
            Others::Silent => say().all_gateways_are_silent(),
            Others::AnotherGatewayAnswers => say().another_gateway_answers(),
            Others::SameGatewayAnswers => say().same_gateway_answers_elsewhere(),
        },
        F::NoAnswer {
            why: NoAnswer::Refused,
            ..
        } => say().gateway_runs_elsewhere(),
        F::NoAnswer {
            why: NoAnswer::Unsent { .. },
            address,
            ..
        } => say().no_way_to_address(&address.ip()),
        F::GatewayUnresolved { name, .. } => say().look_for_a_name_server(name),
        F::GatewaysUntried(failure) => printable(&failure.hint),
        F::Left(Trace::Interface { .. }) => say().whose_device_is_it(),
        F::Left(_) => say().put_back_what_is_left(),
        F::Permitted
        | F::Tun
        | F::Service
        | F::Reader { .. }
        | F::Token { .. }
        | F::Room { .. }
        | F::Profile { .. }
        | F::TellsResolved
        | F::MountsFile
        | F::Clock { .. }
        | F::WayOut { .. }
        | F::Connected { .. }
        | F::GatewayAnswers { .. }
        | F::Tidy => return None,
    })
}

/// An endpoint as the profile has it, and where that is.
fn place(endpoint: &Endpoint, address: &SocketAddr) -> String {
    match endpoint {
        Endpoint::Host { .. } => format!("{endpoint} ({})", address.ip()),
        Endpoint::Address(_) => endpoint.to_string(),
    }
}

/// Somebody has ended the trial before its time.
pub(crate) fn interrupted_trial() -> Failure {
    Failure::new(
        code::OTHER,
        say().trial_was_interrupted(),
        say().start_trial_again(),
    )
}

/// Everything of ours on this computer.
pub(crate) fn residue(traces: &[Trace]) -> String {
    if traces.is_empty() {
        return say().nothing_on_this_computer() + "\n";
    }
    let mut text = String::new();
    for left in traces {
        text.push_str(&format!("{}\n", printable_lines(&trace(left))));
    }
    text.push_str(&say().down_puts_everything_back());
    text.push('\n');
    text
}

/// One thing of ours.
pub(crate) fn trace(trace: &Trace) -> String {
    match trace {
        Trace::Process { pid } => say().left_process(pid),
        Trace::Interface { name } => say().left_device(name),
        Trace::Rule { priority } => say().left_rule(priority),
        Trace::Mount { file } => say().left_name_servers(&file.display()),
        Trace::File { path } if path.extension().is_some_and(|end| end == "fence") => {
            say().left_fence(&path.display())
        }
        Trace::File { path } => say().left_file(&path.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::mem::discriminant;

    use tokenvpn_common::clock::UnixTime;

    use super::*;

    /// One of each, several of those that are told in several ways.
    fn all() -> Vec<Finding> {
        use Finding as F;
        let token = "0006:12345678".parse().unwrap();
        let time = UnixTime(1_795_165_920);
        let text = || "text".to_owned();
        let endpoint: Endpoint = "203.0.113.5:51820".parse().unwrap();
        let address: SocketAddr = "203.0.113.5:51820".parse().unwrap();
        let no_answer = |why, others| F::NoAnswer {
            endpoint: endpoint.clone(),
            address,
            why,
            others,
        };
        let narrow = |whole| F::NarrowWayOut {
            interface: text(),
            mtu: 1400,
            whole,
            longest: 1420,
        };
        let closed = |network: &str, is_connected| F::Closed {
            interface: text(),
            networks: vec![network.parse().unwrap()],
            is_connected,
        };
        let not_connected = |state: &str| F::NotConnected {
            interface: text(),
            state: state.into(),
        };
        vec![
            F::Permitted,
            F::NotPermitted,
            F::Tun,
            F::NoTun { reason: text() },
            F::Service,
            F::NoService,
            F::ServiceRefuses,
            F::ServiceFails { reason: text() },
            F::Reader { name: text() },
            F::NoReader,
            F::NoToken,
            F::TokenBusy {
                holders: Vec::new(),
            },
            F::TokenAsked { interface: text() },
            F::Unsupported { reader: text() },
            F::TokenFails {
                reader: text(),
                reason: text(),
            },
            F::Token { token, name: None },
            F::SeveralTokens { number: 2 },
            F::FewTries { token, left: 2 },
            F::PinBlocked { token },
            F::Room { token, bytes: 254 },
            F::Profile {
                token,
                not_after: None,
            },
            F::ProfileExpiresSoon {
                token,
                not_after: time,
                now: time,
            },
            F::ProfileExpired {
                token,
                not_after: time,
            },
            F::NoLabel { token },
            F::BadLabel {
                token,
                what: text(),
            },
            F::TellsResolved,
            F::NoResolvectl,
            F::MountsFile,
            F::NoResolvConf,
            F::Clock { now: time },
            F::ClockWrong { now: time },
            F::WayOut {
                interface: text(),
                mtu: 1500,
            },
            narrow(1340),
            narrow(1240),
            F::NoWayOut,
            closed("10.0.0.0/8", false),
            closed("::/0", false),
            closed("10.0.0.0/8", true),
            closed("::/0", true),
            F::Connected {
                interface: text(),
                gateway: text(),
                handshake: None,
            },
            not_connected("waiting_token"),
            not_connected("token_busy"),
            not_connected("pin"),
            not_connected("connecting"),
            not_connected("unreachable"),
            not_connected("expired"),
            F::GatewaysLeft { interface: text() },
            F::GatewayUnchecked,
            F::GatewayAnswers {
                endpoint: endpoint.clone(),
                address,
                round_trip_ms: 41,
            },
            no_answer(NoAnswer::Silent, Others::Silent),
            no_answer(NoAnswer::Silent, Others::AnotherGatewayAnswers),
            no_answer(NoAnswer::Silent, Others::SameGatewayAnswers),
            no_answer(NoAnswer::Refused, Others::Silent),
            no_answer(NoAnswer::Unsent { reason: text() }, Others::Silent),
            F::GatewayUnresolved {
                name: text(),
                others_answer: false,
            },
            F::GatewaysUntried(interrupted_trial()),
            F::Tidy,
            F::Left(Trace::Interface { name: text() }),
            F::Left(Trace::Process { pid: 7 }),
        ]
    }

    #[test]
    fn whatever_is_not_well_can_be_cured() {
        let all = all();
        for finding in &all {
            let is_well = finding.verdict() == Verdict::Ok;
            assert_eq!(remedy(finding).is_none(), is_well, "{finding:?}");
        }
        let source = include_str!("../doctor.rs");
        let (_, after) = source.split_once("pub(crate) enum Finding {\n").unwrap();
        let (variants, _) = after.split_once("\n}\n").unwrap();
        let is_variant = |line: &&str| {
            line.trim_start_matches("    ")
                .starts_with(char::is_uppercase)
        };
        let kinds: HashSet<_> = all.iter().map(discriminant).collect();
        assert_eq!(kinds.len(), variants.lines().filter(is_variant).count());
    }

    #[test]
    fn nobody_is_told_to_kill_what_does_not_hold_the_token() {
        let cure = |holders: &[&str]| {
            let holders = holders.iter().map(|holder| (*holder).to_owned()).collect();
            remedy(&Finding::TokenBusy { holders }).unwrap()
        };
        assert!(cure(&[]).contains("killscd"));
        assert!(cure(&["scdaemon, pid 7", "tokenvpn, pid 8"]).contains("killscd"));
        assert!(cure(&["tokenvpn, pid 8"]).contains("tokenvpn down"));
        assert!(cure(&["opensc-tool, pid 9"]).starts_with("end that program"));
    }

    #[test]
    fn an_up_that_waits_is_no_problem() {
        let verdict = |state: &str| {
            let finding = Finding::NotConnected {
                interface: "tokenvpn".into(),
                state: state.into(),
            };
            finding.verdict()
        };
        for state in [
            "waiting_token",
            "waiting_service",
            "token_removed",
            "pin",
            "pin_last",
            "connecting",
        ] {
            assert_eq!(verdict(state), Verdict::Unchecked, "{state}");
        }
        for state in ["unreachable", "lost", "expired", "a_later_one"] {
            assert_eq!(verdict(state), Verdict::Problem, "{state}");
        }
    }

    #[test]
    fn a_finding_that_is_not_well_comes_with_what_to_do() {
        let text = findings(&[
            Finding::Tun,
            Finding::NoReader,
            Finding::Left(Trace::Rule { priority: 29_800 }),
            Finding::Left(Trace::Rule { priority: 29_801 }),
        ]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "ok       tun         /dev/net/tun can be opened");
        assert_eq!(
            lines[1],
            "problem  reader      no card reader is plugged in"
        );
        assert!(lines[2].trim_start().starts_with("hint: "), "{text}");
        // The last two have the same remedy.
        assert!(lines[5].trim_start().starts_with("hint: "), "{text}");
        assert_eq!(lines[6], "3 problems found.");
        assert_eq!(lines.len(), 7);
    }
}
