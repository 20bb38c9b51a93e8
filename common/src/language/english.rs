//! English.

use super::{argument, text, texts, translated};

pub(super) struct English;

/// `1 try`, `3 tries`
fn tries(left: u8) -> String {
    match left {
        1 => "1 try".into(),
        left => format!("{left} tries"),
    }
}

/// `1 day`, `3 days`
fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

// Errors and names of what both programs share.
texts! { Shared in English;
    malformed_key() = "a key is 44 characters of base64 (32 bytes)";
    low_order_key() = "this public key is of low order and protects nothing";
    malformed_date() = "a date is a day (2026-11-29) or a moment (2026-11-29T18:00:00Z)";
    date_out_of_range() = "a date lies between 1970 and 9999";
    second(number) = "second {number}";
}

// The states of `tokenvpn up`.
texts! { Up in English;
}

// What `tokenvpn` asks people for.
texts! { Prompt in English;
}

// The commands for tokens.
texts! { Token in English;
}

// What `tokenvpn doctor` finds.
texts! { Doctor in English;
    // How bad a finding is: the first column of nine characters.
    verdict_ok() = "ok";
    verdict_warning() = "warning";
    verdict_problem() = "problem";
    verdict_unchecked() = "unknown";
    remedy_below(remedy) = "hint: {remedy}";
    no_problem_found() = "No problem found.";
    problems_found(problems: u64) = { format!("{} found.", count(problems, "problem")) };

    may_make_tunnels() = "this user may make tunnels";
    may_not_make_tunnels() = "this user may not make tunnels (CAP_NET_ADMIN)";
    run_doctor_as_root() = "run it as root: sudo tokenvpn doctor";
    tun_can_be_opened() = "/dev/net/tun can be opened";
    tun_cannot_be_opened(reason) = "/dev/net/tun cannot be opened: {reason}";
    load_tun_or_pass_it_in() = "try: sudo modprobe tun; in a container pass /dev/net/tun in";

    card_service_answers() = "the smart-card service answers";
    doctor_no_card_service() = "no smart-card service answers";
    doctor_start_card_service() =
        "try: sudo systemctl start pcscd.socket (Debian: apt install pcscd)";
    doctor_card_service_refuses() = "the smart-card service refuses this user";
    doctor_root_or_polkit_rule() = "run it as root, or install tokenvpn's polkit rule for pcscd";
    card_service_fails(reason) = "the smart-card service fails: {reason}";
    restart_card_service() = "try: sudo systemctl restart pcscd";
    no_reader_plugged_in() = "no card reader is plugged in";
    plug_in_a_reader() =
        "plug in a reader or a token with one inside; pcscd needs its driver (libccid)";

    no_token_plugged_in() = "no token is plugged in";
    doctor_plug_in_a_token() = "plug in your YubiKey, Nitrokey or OpenPGP card";
    token_held_by_somebody() = "another program holds a token";
    // Programs with their process IDs.
    token_held_by(holders) = "another program holds a token (likely {holders})";
    token_held_by_up() = "tokenvpn up has the token, and waits for its PIN";
    // `tokenvpn down`, with the interface if it is another one.
    type_pin_there_or_end(down) = "type it there, or end that: {down}";
    card_without_room(reader) = "the card in {reader} cannot hold a profile";
    doctor_cards_with_room() = "cards that can: YubiKey 5, Nitrokey 3, SmartPGP";
    card_in_reader_fails(reader, reason) = "the card in {reader}: {reason}";
    try_another_port() = "pull it, plug it in again, and try another port";

    token_has_few_tries(token, left: u8) = { format!("{token} has {} left", tries(left)) };
    right_pin_restores_tries() = "type the right PIN once; it restores all tries";
    pin_of_token_blocked(token) = "the PIN of {token} is blocked; nothing was erased";
    doctor_unblock_pin() = "unblock it with its reset code or admin PIN: tokenvpn token unblock";
    token_has_room(token, bytes: usize) = "{token} has {bytes} bytes for a profile";

    token_has_endless_profile(token) = "{token} has one, which never expires";
    token_has_profile_until(token, day) = "{token} has one, until {day}";
    profile_expires_soon(token, days: u64, day) = {
        match days {
            0 => format!("that of {token} expires within a day ({day})"),
            days => format!("that of {token} expires in {} ({day})", count(days, "day")),
        }
    };
    profile_has_expired(token, day) = "that of {token} expired on {day}";
    have_profile_renewed() = "ask your administrator to renew it: tokenvpn token renew";
    token_without_label(token) =
        "{token} has no label: only its PIN shows whether it has a profile";
    look_with_pin() = "look with the PIN: tokenvpn token show";
    // What is wrong with it.
    label_cannot_be_used(token, what) = "the label of {token} cannot be used ({what})";
    look_with_pin_and_reissue() =
        "look with the PIN: tokenvpn token show; then have it issued again";

    resolved_takes_name_servers() = "systemd-resolved answers, and takes name servers";
    resolvectl_missing() = "systemd-resolved answers, but resolvectl is missing";
    install_resolvectl() = "install it (Debian: apt install systemd-resolved)";
    resolv_conf_can_be_replaced() = "/etc/resolv.conf can be replaced while a tunnel is up";
    no_resolv_conf() = "there is no /etc/resolv.conf to replace";
    make_resolv_conf() = "a profile with name servers needs one: touch /etc/resolv.conf";
    clock_shows(minute) = "it is {minute}";
    clock_cannot_be_right(minute) = "it cannot be {minute}";
    set_clock() = "set it: timedatectl set-ntp true";

    way_out(interface, mtu) = "a way out through {interface}, MTU {mtu}";
    narrow_way_out(interface, mtu, whole: u32, longest: u16) =
        "the way out through {interface}, MTU {mtu}, carries a tunnel's packets whole up to \
        {whole} bytes, and they have up to {longest}";
    lower_mtu_or_other_network(whole) =
        "longer ones go in pieces, slowly if at all: ask your administrator for an MTU of \
        {whole}, or use another network";
    use_another_network() = "longer ones go in pieces, slowly if at all: use another network";
    no_way_out() = "no way out of this computer (no default route)";
    look_for_a_network() = "is this computer on a network? see: ip route";
    everything_closed_until_up(interface) =
        "until {interface} is up, nothing leaves but through the tunnel and to this computer's \
        own links";
    networks_closed_until_up(interface, networks) =
        "until {interface} is up, {networks} lead into the tunnel or nowhere";
    closed_as_asked_to(down) =
        "so it was asked to (kill switch, or hold on removal); to end that: {down}";

    running_and_connected(interface, gateway) = "{interface} is connected to {gateway}";
    running_and_connected_since(interface, gateway, seconds: u64) =
        "{interface} is connected to {gateway}, last handshake {seconds} s ago";
    // One of the states that `tokenvpn status` tells.
    running_and_not_connected(interface, state) =
        "{interface} is running and not connected: {state}";
    up_waits_for_token() = "plug it in; tokenvpn up goes on from there";
    up_waits_for_holder() = "it goes on once it can have the token";
    up_waits_for_pin() = "type it where tokenvpn up asks for it";
    up_waits_for_gateway() = "look again in a moment";
    up_hears_no_gateway() = "see what tokenvpn up says; is UDP let out here?";
    see_what_up_says() = "see what tokenvpn up says";

    // After the PIN: what comes next takes a moment.
    asking_gateways(addresses: usize, seconds: u64) = {
        let addresses = match addresses {
            1 => "1 address".into(),
            addresses => format!("{addresses} addresses"),
        };
        format!("Asking at {addresses} whether a gateway answers, for {seconds} s at most…")
    };
    trial_was_interrupted() = "it was ended";
    start_trial_again() = "start it again to ask them";
    gateways_left_to_up() = "not asked one by one: tokenvpn up has the token";
    end_up_to_ask_gateways(down) = "to have each of them asked, end that first: {down}";
    gateways_not_known() = "not tried: where it is stands behind the token's PIN";
    try_gateways_with_pin() = "try it, with the PIN: tokenvpn doctor --gateways";
    gateways_not_tried(why) = "not tried: {why}";
    // A place is an endpoint of a profile, with its address if that is a name.
    gateway_answered_token(place, round_trip_ms: u64) = {
        match round_trip_ms {
            0 => format!("{place} answered the token in < 1 ms"),
            _ => format!("{place} answered the token in {round_trip_ms} ms"),
        }
    };
    gateway_is_silent(place, seconds: u64) = "{place} has not answered within {seconds} s";
    all_gateways_are_silent() =
        "UDP may be blocked here (try another network), the gateway may be down, this \
        computer's clock may be wrong, or the token is no longer enrolled there (ask your \
        administrator)";
    another_gateway_answers() =
        "another gateway answers, so UDP gets out: this one may be down, or no longer know the \
        token; ask your administrator";
    same_gateway_answers_elsewhere() =
        "its gateway answers elsewhere, so it knows the token: only this way to it is closed; \
        ask your administrator";
    nobody_listens_at(place) = "nobody listens at {place}";
    gateway_runs_elsewhere() =
        "the gateway does not run there, or on another port: ask your administrator";
    place_cannot_be_reached(place, reason) = "{place} cannot be reached: {reason}";
    no_way_to_address(address) =
        "this computer has no way there, or its own firewall forbids it; see: ip route get \
        {address}";
    name_without_address(name) = "the name {name} cannot be looked up";
    look_for_a_name_server(name) = "is a name server within reach? see: getent hosts {name}";

    nothing_left_behind() = "nothing is left of an earlier run";
    left_process(id) = "a tokenvpn is running: process {id}";
    left_device(name) = "the tunnel device {name}";
    left_rule(priority) = "a routing rule of priority {priority}";
    left_name_servers(file) = "name servers of a tunnel: {file} over /etc/resolv.conf";
    left_fence(path) = "the way around a tunnel is closed by an up that is gone: {path}";
    left_file(path) = "the file {path}";
    whose_device_is_it() =
        "whose is it? see: ip -d link; tokenvpn up --interface takes another name";
    put_back_what_is_left() = "put it back: sudo tokenvpn down (with --interface for another name)";
    nothing_on_this_computer() =
        "Nothing of tokenvpn is on this computer but the program itself: no process, no \
        interface, no rule, no name server, no file.";
    down_puts_everything_back() =
        "hint: sudo tokenvpn down ends what runs and puts everything back";
}

// `tokenvpn status`, once and live.
texts! { Status in English;
    status_title(interface, state) = "{interface}: {state}";
    status_identity(identity) = "identity: {identity}";
    status_token(token) = "token: {token}";
    status_addresses(addresses) = "addresses: {addresses}";
    status_expires(moment) = "expires: {moment}";
    // What is closed, see below.
    status_closed(networks) = "closed: {networks}";
    status_gateway(name) = "gateway: {name}";
    status_endpoint(endpoint) = "endpoint: {endpoint}";
    // How long ago, see below.
    status_handshake(ago) = "latest handshake: {ago}";
    status_traffic(received, sent) = "received {received}, sent {sent}";
    status_routes(networks) = "routes: {networks}";
    // Another gateway has them.
    status_no_routes() = "routes: none now";

    // The live view: what its key does, and the first column of twelve characters.
    live_quit() = "q: quit";
    live_token() = "token";
    live_expires() = "expires";
    live_addresses() = "addresses";
    live_closed() = "closed";
    live_gateway() = "gateway";
    live_endpoint() = "endpoint";
    live_handshake() = "handshake";
    live_received() = "received";
    live_sent() = "sent";
    // An amount of bytes with its unit.
    live_rate(amount) = "{amount}/s";
    live_without_terminal() = "a live view needs a terminal to fill";
    leave_out_watch() = "leave out --watch, or add --json for one object a line";

    everything_is_closed() =
        "nothing leaves but through the tunnel and to this computer's own links";
    networks_are_closed(networks) = "{networks} lead into the tunnel or nowhere";
    status_no_handshake() = "none yet";
    handshake_ago(seconds: u64) = {
        match seconds {
            ..120 => format!("{seconds} s ago"),
            seconds => format!("{} ago", count(seconds / 60, "minute")),
        }
    };

    // The states of `tokenvpn up`, and that it is not running.
    status_waiting_for_token() = "waiting for a token";
    status_waiting_for_service() = "waiting for the smart-card service";
    status_no_token() = "no token";
    status_token_held() = "another program holds the token";
    status_several_tokens() = "several tokens are plugged in";
    status_waiting_for_pin() = "waiting for the PIN";
    status_no_pin_given() = "no PIN was given";
    status_pin_blocked() = "the PIN is blocked";
    status_no_profile() = "the token holds no profile";
    status_damaged() = "damaged";
    status_too_new() = "too new";
    status_token_expired() = "the token has expired";
    status_not_yet_valid() = "not yet valid";
    status_clock_wrong() = "the clock cannot be right";
    status_card_without_room() = "the card cannot hold a profile";
    status_card_failed() = "card failed";
    status_no_permission() = "no permission";
    status_looking_up_gateways() = "looking up the gateways";
    status_connecting() = "connecting";
    status_no_gateway_answers() = "no gateway answers, trying again";
    status_no_gateway_answered() = "no gateway";
    status_up() = "up";
    status_gateway_lost() = "the gateway is lost, trying again";
    status_token_removed() = "token removed";
    status_token_grace() = "waiting for the token to come back";
    status_token_back() = "token back";
    status_kill_switch() = "kill switch";
    status_down() = "down";
    status_failed() = "failed";

    // `tokenvpn down`
    tunnel_is_down(interface) = "{interface} is down.";
    tunnel_was_left(interface) = "{interface} was not up; put back what an earlier one left.";
    tunnel_was_not_up(interface) = "{interface} was not up.";
}

// What keeps a tunnel of `tokenvpn` from standing, its own faults, and its command line.
texts! { Tunnel in English;
}

// The help of `tokenvpn`.
texts! { Help in English;
}

// What only its manual pages say.
texts! { Manual in English;
}

// `tokenvpn-gateway`.
texts! { Gateway in English;
}

// The help of `tokenvpn-gateway`.
texts! { GatewayHelp in English;
}
