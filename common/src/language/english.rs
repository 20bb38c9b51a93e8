//! English.

use super::{Language, argument, text, texts, translated};

pub(super) struct English;

impl Language for English {}

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

/// `23 days ago`
fn ago(days: u64) -> String {
    match days {
        0 => "less than a day ago".into(),
        days => format!("{} ago", count(days, "day")),
    }
}

/// `in 6 days`
fn in_days(days: u64) -> String {
    match days {
        0 => "within a day".into(),
        days => format!("in {}", count(days, "day")),
    }
}

/// `41 ms`
fn milliseconds(whole: u64) -> String {
    match whole {
        0 => "< 1 ms".into(),
        whole => format!("{whole} ms"),
    }
}

/// `Admin PIN` where a sentence begins with it, in the brackets of a test too.
fn capitalized(text: &str) -> String {
    let word = text.trim_start_matches('⟦');
    let (before, _) = text.split_at(text.len() - word.len());
    let mut rest = word.chars();
    match rest.next() {
        Some(first) => format!("{before}{}{}", first.to_uppercase(), rest.as_str()),
        None => text.into(),
    }
}

// What is wrong with a command line, and the frame of every help.
texts! { Usage in English;
    usage_heading() = "Usage:";
    usage_commands() = "Commands:";
    usage_arguments() = "Arguments:";
    usage_options() = "Options:";
    usage_default(value) = "[default: {value}]";
    usage_print_help() = "Print help";
    usage_print_help_of_two() = "Print help; --help tells more than -h";
    usage_print_version() = "Print version";
    usage_help_command() = "Print this, or the help of a command";
    // Where a help has nothing to say about them one by one, in the line behind its heading.
    usage_any_options() = "[OPTIONS]";

    // What stands for a value, in brackets: `--wait <SECONDS>`.
    value_address() = "IP";
    value_command() = "COMMAND";
    value_date() = "DATE";
    value_directory() = "DIR";
    value_endpoint() = "HOST:PORT";
    value_file() = "FILE";
    value_ident() = "IDENT";
    value_key() = "KEY";
    value_name() = "NAME";
    value_network() = "CIDR";
    value_number() = "N";
    value_policy() = "POLICY";
    value_seconds() = "SECONDS";

    usage_unknown_argument(argument) = "there is no option or argument '{argument}' here";
    usage_unknown_command(command) = "there is no command '{command}'";
    usage_no_command(command, commands) = "'{command}' needs one of its commands: {commands}";
    usage_missing(arguments) = "what is missing: {arguments}";
    usage_repeated(argument) = "'{argument}' can be given only once";
    usage_conflict(argument, other) = "'{argument}' cannot stand together with '{other}'";
    usage_no_value(argument) = "'{argument}' needs a value";
    usage_bad_value(value, argument, reason) = "'{value}' is no value for '{argument}': {reason}";
    usage_other_value(value, argument, values) =
        "'{value}' is no value for '{argument}'; there are: {values}";
    usage_too_many(value, argument) = "'{value}' is one value too many for '{argument}'";
    usage_no_text() = "the command line is no UTF-8 text";
    usage_meant(meant) = "did you mean {meant}?";

    usage_exit_status() = "Exit status:";
    usage_exit_no_permission() = "A permission is missing";
    usage_json() = "Print JSON";
}

// Errors and names of what both programs share.
texts! { Shared in English;
    malformed_key() = "a key is 44 characters of base64 (32 bytes)";
    low_order_key() = "this public key is of low order and protects nothing";
    malformed_number() = "it is a whole number, 1 or more";
    malformed_address() = "an address is like 10.77.0.7 or fd77::7";
    malformed_date() = "a date is a day (2026-11-29) or a moment (2026-11-29T18:00:00Z)";
    date_out_of_range() = "a date lies between 1970 and 9999";
    second(number) = "second {number}";

    // Amounts of data, in steps of 1000.
    amount_in_bytes(number) = "{number} B";
    amount_in_kilobytes(number: f64) = "{number:.1} kB";
    amount_in_megabytes(number: f64) = "{number:.1} MB";
    amount_in_gigabytes(number: f64) = "{number:.1} GB";
    amount_in_terabytes(number: f64) = "{number:.1} TB";
    amount_in_petabytes(number: f64) = "{number:.1} PB";
    amount_in_exabytes(number: f64) = "{number:.1} EB";

    // Why a text is none of what it should be.
    malformed_ident() = "a token is named like 0006:12345678";
    malformed_invitation_id() = "an invitation's id is 32 hexadecimal digits in lower case";
    empty_name() = "a name cannot be empty";
    name_too_long(most, bytes) = "a name has at most {most} bytes, this one has {bytes}";
    control_in_name() = "a name cannot hold control or invisible characters";
    blank_around_name() = "a name cannot begin or end with white space";
    endpoint_without_port() =
        "an endpoint is HOST:PORT, as in vpn.example.com:51820 or [2001:db8::5]:51820";
    port_out_of_range() = "a port is a number from 1 to 65535";
    malformed_host(most) = "this is neither an address nor a host name of letters, digits and \
        hyphens (at most {most} bytes)";
    no_network(text: &str) =
        "{text:?} is no network; a network is an address and a prefix, as in 10.77.0.0/24";
    malformed_card_name() = "a card's name has 1 to 39 characters, all of them printable ASCII";

    // Why a peer was not added.
    our_own_key() = "this public key is our own";
    key_of_another_peer() = "another peer has this public key";
    overlapping_networks(network, other, owner) =
        "{network} overlaps {other}, which belongs to peer {owner}";

    // Why bytes are no profile or label, or why a profile cannot be written: "it" is any of them.
    nothing_in_profile() = "there is nothing in it";
    foreign_data() = "it holds another program's data";
    unknown_profile_version(version, known) = "version {version}, this one knows {known}";
    unknown_suite(suite, known) = "cipher suite {suite}, this one knows {known}";
    unknown_field(tag: u8) = "field {tag:#04x} is unknown here";
    key_stays_in_card() =
        "it holds no private key; a key that stays in the card is unknown here";
    wrong_checksum() = "the checksum is wrong";
    cut_field() = "it ends in the middle of a field";
    misplaced_field(tag: u8) = "field {tag:#04x} is repeated or out of order";
    unreadable_field(field) = "the {field} cannot be read";
    missing_field(field) = "there is no {field}";
    // Gateways, endpoints, tunnel addresses or allowed IPs.
    missing_list(field) = "there are no {field}";
    profile_too_long(room) = "it is longer than {room} bytes";
    host_bits(net, network) = "{net} cannot be among the allowed IPs: the network is {network}";
    unusable_name_server(address) = "{address} cannot be among the name servers";
    unusable_network(net, field) = "{net} cannot be among the {field}";
    unusable_endpoint(endpoint) = "{endpoint} cannot be a gateway's endpoint";
    repeated_entry(field) = "the {field} hold the same entry twice";
    too_many_entries(field, most) = "the {field} are more than {most}";
    too_many_endpoints(most) = "a gateway has at most {most} endpoints";
    gateway_with_own_key() = "a gateway has the token's own key";
    mtu_out_of_range(mtu, least, most) = "MTU {mtu} is not from {least} to {most}";
    keepalive_out_of_range(keepalive, least, most) =
        "keepalive {keepalive} is neither 0 nor from {least} to {most}";
    serial_is_zero() = "the serial number is 0";
    senseless_dates() = "the dates make no sense";

    // The fields that these name.
    field_name() = "name";
    field_serial() = "serial number";
    field_issued() = "issue date";
    field_suite() = "cipher suite";
    field_not_before() = "first day";
    field_not_after() = "expiry date";
    field_private_key() = "private key";
    field_gateways() = "gateways";
    field_endpoints() = "endpoints";
    field_addresses() = "tunnel addresses";
    field_allowed_ips() = "allowed IPs";
    field_dns() = "name servers";
    field_mtu() = "MTU";
    field_keepalive() = "keepalive";
    field_length() = "length";

    // Why a text is no invitation or enrolment, or why an invitation makes no profile.
    empty_invitation() = "there is no invitation: the input is empty";
    empty_enrolment() = "there is no enrolment: the input is empty";
    invitation_too_long(most) = "this is no invitation: it is longer than {most} bytes";
    enrolment_too_long(most) = "this is no enrolment: it is longer than {most} bytes";
    // The message is the TOML library's own, or one of the above.
    malformed_invitation(line, column, message) =
        "this is no invitation: line {line}, column {column}: {message}";
    malformed_enrolment(line, column, message) =
        "this is no enrolment: line {line}, column {column}: {message}";
    unknown_invitation_version(version, known) =
        "this invitation is of version {version}, this program knows {known}";
    unknown_enrolment_version(version, known) =
        "this enrolment is of version {version}, this program knows {known}";
    invitation_out_of_date(until) = "this invitation was valid until {until}";
    invitation_of_expired(expired) =
        "this invitation is for an identity that expired on {expired}";
    invitation_without_profile(error) = "this invitation makes no profile: {error}";

    // What a card asks for.
    secret_pin() = "PIN";
    secret_admin_pin() = "admin PIN";
    secret_reset_code() = "reset code";

    // Why a text is none of these three.
    secret_too_short(secret, least) = "too short: the {secret} has at least {least} characters";
    secret_too_long(secret, most) = "too long: the {secret} has at most {most} bytes";
    unprintable_secret(secret) = "the {secret} is made of printable characters";

    // `scdaemon, pid 6790`
    holding_process(name, pid) = "{name}, pid {pid}";

    // Why a token cannot be used.
    card_service_is_silent() = "no smart-card service answers";
    card_reader_is_missing() = "there is no card reader";
    card_is_missing() = "there is no card in the reader";
    card_is_held(reader) = "another program holds the card in {reader}";
    card_was_removed() = "the card was removed";
    card_service_refuses() = "the smart-card service refuses this user";
    card_refuses_pin(tries_left) = "wrong PIN, tries left: {tries_left}";
    card_has_pin_blocked() = "the PIN is blocked";
    card_reader_got_no_pin() = "no PIN was typed on the reader";
    card_reader_got_two_pins() = "the two new ones differ";
    card_reader_refuses_length() = "the reader takes no PIN of such a length";
    card_reader_cannot_ask(what) = "the reader's keypad fails: {what}";
    reader_shows_no_pin() = "it does not send what was typed";
    card_reader_keeps_pin() = "what is typed on the reader is changed there only";
    card_refuses_admin_pin(tries_left) = "wrong admin PIN, tries left: {tries_left}";
    card_has_admin_pin_blocked() = "the admin PIN is blocked";
    card_refuses_reset_code(tries_left) = "wrong reset code, tries left: {tries_left}";
    card_has_no_reset_code() = "there is no reset code, or it is blocked";
    card_takes_shorter_pins(most) = "this card takes PINs of at most {most} bytes";
    card_holds_no_profile() = "this card cannot hold a profile";
    card_is_too_small(bytes, room) = "{bytes} bytes do not fit, this card has room for {room}";
    card_did_not_keep(object) =
        "the card did not keep what was written to object 010{object}";
    // What else went wrong: the reader's or the library's own text, or one of the next three.
    card_misbehaves(what) = "the card does not do as it should: {what}";
    card_service_hangs() = "the smart-card service does not answer";
    watch_unconfined(error) = "the watch cannot be confined: {error}";
    watch_panicked() = "the watch panicked";

    // Why there is no TUN device.
    no_permission_for_tun() = "no permission to create a TUN device";
    no_tun_driver() = "there is no TUN driver at /dev/net/tun";
    interface_exists(name) = "the interface {name} exists already";
    malformed_interface(name: &str, most) =
        "{name:?} is no interface name: 1 to {most} characters, no '/', '%' or blank";
    tun_does_not_open() = "the TUN device does not open";

    // Why there are no sockets, or why the kernel did not do what was asked: an action is one of
    // those that follow.
    port_in_use(port) = "UDP port {port} is in use";
    no_permission_to(action) = "no permission to {action}";
    cannot_do(action) = "cannot {action}";
    cannot_do_twice(action) = "cannot {action}: it exists already";
    cannot_do_without_object(action) = "cannot {action}: no such thing";

    // The actions.
    to_open_socket() = "open a UDP socket";
    to_restrict_socket() = "restrict a UDP socket to IPv6";
    to_share_port() = "share the UDP port between workers";
    to_mark_socket() = "mark the UDP socket";
    to_bind_port() = "bind the UDP port";
    to_read_port() = "read the UDP port";
    to_prepare_sockets() = "prepare the UDP sockets";
    to_talk_to_routing() = "talk to the kernel's routing";
    to_bring_up(interface, mtu) = "bring {interface} up with MTU {mtu}";
    to_limit_segments(interface) = "limit the segments of {interface}";
    to_add_address(address, interface) = "add the address {address} to {interface}";
    to_remove_address(address, interface) = "remove the address {address} from {interface}";
    to_add_route(network, interface) = "add the route {network} through {interface}";
    to_remove_route(network, interface) = "remove the route {network} through {interface}";
    to_add_rule(priority) = "add the routing rule of priority {priority}";
    to_remove_rule(priority) = "remove the routing rule of priority {priority}";
    to_list_rules() = "list the routing rules";
    to_watch_network() = "watch the network for changes";

    // Measures that the kernel refused; one is told by its system call.
    measure_failed(measure) = "{measure} failed";
    supervisor_is_gone() = "the supervisor is gone";
    capabilities_kept() = "capabilities cannot be dropped";
    directory_does_not_open() = "a directory cannot be opened";
    files_not_shut_off() = "files cannot be shut off";
    calls_not_shut_off() = "system calls cannot be shut off";

    // What both programs say.
    error_and_hint(what, hint) = "error: {what}\nhint: {hint}";
    q_quits() = "q: quit";
    check_kernel_settings() =
        "it does not run unguarded: check this kernel's settings (seccomp, prctl)";
    please_report() = "this should not happen; RUST_LOG=debug tells more, please report it";
    program_failed(what) = "the program failed: {what}";
    terminal_unusable(cause) = "the terminal cannot be used: {cause}";
}

// The states of `tokenvpn up`.
texts! { Up in English;

    waiting_for_any_token() =
        "Waiting for a token… plug in your YubiKey, Nitrokey or OpenPGP card. (Ctrl-C to stop)";
    waiting_for_the_token(token) = "Waiting for the token {token}… plug it in. (Ctrl-C to stop)";
    waiting_for_the_service() = "Waiting for the smart-card service… (Ctrl-C to stop)";
    waiting_for_a_change() = "Waiting until that changes, or for another token… (Ctrl-C to stop)";
    waiting_for_an_unseen_change() = "Waiting until that changes, or for another token… If nothing \
        happens once it has, pull it and put it in again. (Ctrl-C to stop)";
    no_token_was_plugged_in(seconds) = "no token was plugged in within {seconds} s";
    plug_it_in() = "plug it in and try again";
    start_the_service() = "try: sudo systemctl start pcscd.socket (Debian: apt install pcscd)";

    some_token_is_in(reader) = "there is a token in {reader}";
    this_token_is_in(token, reader) = "the token {token} is in {reader}";
    perhaps_this_token_is_in(token, reader) = "there is a token in {reader}, perhaps {token}";
    // there: one of those three.
    but_it_is_held(there) = "{there}, but another program holds it";
    but_it_is_held_by(there, holders) =
        "{there}, but another program holds it (likely {holders})";
    end_that_tokenvpn() =
        "that is a tokenvpn at work: answer what it asks, or end it (Ctrl-C, tokenvpn down)";
    end_that_program() = "end that program, or what it does with the token";
    end_scdaemon() = "try: gpg-connect-agent 'scd killscd' /bye, or put pcsc-shared into \
        ~/.gnupg/scdaemon.conf";
    // Two at least.
    several_tokens(number: usize, tokens) = "{number} tokens: {tokens}";
    choose_a_token() = "choose with --token, or pull the others";

    systemd_asks_for_the_pin(token, tries_left: u8) = {
        format!(
            "PIN for {token}, {} left: systemd asks for it (systemd-tty-ask-password-agent).",
            tries(tries_left)
        )
    };
    a_window_asks_for_the_pin(token, tries_left: u8) = {
        format!("PIN for {token}, {} left: a window asks for it.", tries(tries_left))
    };
    pin_was_wrong(tries_left: u8) = { format!("wrong PIN, {} left", tries(tries_left)) };
    pin_was_too_long(max) = "this token takes PINs of at most {max} bytes; no try was lost";
    pin_length_refused() = "the reader takes no PIN of such a length; no try was lost";
    start_with_the_right_pin() = "start again with the right one";
    last_try_of_the_pin() = "One try left: another mistake blocks the token.";
    pin_is_blocked() = "the PIN is blocked; nothing was erased";
    unblock_the_pin() = "unblock it with its reset code or admin PIN: tokenvpn token unblock";
    no_pin_was_given() = "no PIN was given";
    plug_in_again_to_be_asked() = "pull the token and plug it in again to be asked again";
    nobody_to_ask_for_the_pin() = "there is no terminal to ask for the PIN, and nobody else to ask";
    have_somebody_to_ask() = "run it in a terminal or as a service of systemd, install pinentry \
        where there is a display, or hand the PIN over with --pin-fd";
    given_pin_is_not_risked(tries_left: u8) = {
        format!("only {} left: a PIN that nobody typed is not risked", tries(tries_left))
    };
    type_the_pin_once() = "type the PIN once in a terminal; a right one restores all tries, but \
        a token that never has three takes typed PINs only";

    token_is_empty() = "this token holds no VPN profile";
    get_a_profile() = "ask your administrator, or: tokenvpn token issue";
    token_is_foreign() = "this token holds another program's data instead of a VPN profile";
    erase_if_not_needed() =
        "use another token, or empty this one if nothing needs it: tokenvpn token erase";
    profile_is_damaged(check) = "the profile on this token is damaged ({check}); it was not used";
    label_is_damaged(check) = "the label on this token is damaged ({check}); it was not used";
    have_it_issued_again() = "ask your administrator to issue it again";
    profile_is_too_new(what) = "the profile on this token was written by a newer tokenvpn ({what})";
    label_is_too_new(what) = "the label on this token was written by a newer tokenvpn ({what})";
    update_this_tokenvpn() = "update tokenvpn on this computer";
    token_has_expired(day, days: u64) = {
        let ago = ago(days);
        format!("this token expired on {day}, {ago} by this computer's clock; there is no tunnel")
    };
    have_it_renewed() = "ask your administrator to renew it";
    token_expires_soon(days: u64, day) = {
        format!("This token expires {} ({day}).", in_days(days))
    };
    token_is_not_yet_valid(day, today) =
        "this token is valid from {day}; by this computer's clock it is {today}";
    wait_or_set_the_clock() = "wait until then, or set the clock (timedatectl)";
    clock_is_not_right(today) = "this computer's clock ({today}) cannot be right";
    set_the_clock() = "set it (timedatectl), then try again";
    one_of_two_clocks_is_not_right(today, issued) =
        "this computer's clock ({today}) cannot be right, or else that of the computer that wrote \
         the token ({issued}) was not";
    set_the_clock_or_renew() = "set it (timedatectl), then try again; if it is right, ask your \
        administrator to renew the token";
    card_is_unsupported() = "this card cannot hold a profile (no private-use objects)";
    supported_cards() = "cards that can: YubiKey 5, Nitrokey 3, SmartPGP";
    plug_the_card_in_again() = "pull it, plug it in again, and try another port or reader";
    be_allowed_to_use_cards() = "run it as root, or install tokenvpn's polkit rule for pcscd";
    be_allowed_to_make_tunnels() = "run it as root (sudo tokenvpn …); in a container allow \
        CAP_NET_ADMIN and /dev/net/tun";

    looking_up(hosts) = "Looking up {hosts}…";
    connecting_to_address(endpoint, index, count) =
        "Connecting to {endpoint} ({index} of {count})…";
    connecting_to_host(endpoint, address, index, count) =
        "Connecting to {endpoint} at {address} ({index} of {count})…";
    no_gateway_answered(now) = "No gateway answered. Either UDP is blocked here, the gateways are \
        down, this token was revoked or is not enrolled yet, or this computer's clock ({now}) is \
        wrong.";
    names_not_looked_up(number: usize, names) = { match number {
        1 => format!("The name {names} cannot be looked up."),
        _ => format!("The names {names} cannot be looked up."),
    } };
    trying_again() = "Trying again: every 5 s, after ten minutes every 30 s.";
    nothing_looked_up(number: usize, names) = {
        let names = match number {
            1 => format!("The name {names}"),
            _ => format!("The names {names}"),
        };
        format!(
            "{names} cannot be looked up: is this computer on a network?\nTrying again every 5 s."
        )
    };
    no_gateway_answered_within(seconds) = "no gateway answered within {seconds} s";
    no_gateway_answered_and_no_name(seconds, number: usize, names) = { match number {
        1 => format!(
            "no gateway answered within {seconds} s, and the name {names} cannot be looked up"
        ),
        _ => format!(
            "no gateway answered within {seconds} s, and the names {names} cannot be looked up"
        ),
    } };
    is_there_a_name_server() = "is this computer on a network with a name server, is UDP let out \
        here, is the clock right, is the token still enrolled?";
    is_udp_let_out() = "is UDP let out here, is the clock right, is the token still enrolled?";

    // The gateway is an address, or a name with its address.
    connected_via(name, gateway) = "Connected as {name} via {gateway}.";
    connected_via_within(name, gateway, ms: u64) = {
        format!("Connected as {name} via {gateway}, {}.", milliseconds(ms))
    };
    what_is_connected(addresses, routes) = "{addresses}, routes {routes}.";
    what_is_connected_with_dns(addresses, routes, servers) =
        "{addresses}, routes {routes}, DNS {servers}.";
    // For tokens that are out.
    still_closed(networks) = "Still closed: {networks}.";
    pull_to_disconnect() = "Pull the token to disconnect.";
    network_changed() = "The network changed. Still connected.";
    gateway_lost() = "The gateway stopped answering.";
    moved_on(from, to, seconds: f64) = "{from} stopped answering; now on {to} ({seconds:.1} s).";
    moved_back(from, to) = "{to} answers again; now on it instead of {from}.";

    // What is gone, before what that has led to.
    token_is_out() = "Token removed.";
    token_is_out_of_sight() =
        "The smart-card service broke off, and nobody sees the token any more.";
    all_taken_down_within(seconds: f64) =
        "Keys erased, tunnel down, routes and DNS restored ({seconds:.2} s).";
    taken_down_and_closed_within(seconds: f64) = "Keys erased, tunnel down ({seconds:.2} s). Its \
        networks lead nowhere until it is back or you end this.";
    keys_erased_within(seconds: f64) = "Keys erased ({seconds:.2} s).";
    keys_erased_and_closed_within(seconds: f64) = "Keys erased ({seconds:.2} s). Its networks \
        still lead nowhere until it is back or you end this.";
    closing_unless_it_is_back(seconds) =
        "Token removed. Closing in {seconds} s unless it comes back…";
    token_is_back_and_connected() = "The token is back. Still connected.";
    token_is_back() = "The token is back. Still connecting…";
    kill_switch_holds() = "Kill switch: until you end this, nothing leaves this computer but \
        through the tunnel and to its own links.";
    way_around_stays_closed(command) =
        "The way around the tunnel stays closed. Open it with: {command}";
    all_taken_down() = "Keys erased, tunnel down, routes and DNS restored.";
    opened_again() = "What was closed is open again.";

    // Phrases.
    minute_in_utc(day, time) = "{day} {time} UTC";
}

// What `tokenvpn` asks people for. A secret is a PIN, an admin PIN or a reset code.
texts! { Prompt in English;
    secret_prompt(secret, token, tries_left: u8) = {
        let secret = capitalized(&secret.to_string());
        format!("{secret} for {token}, {} left: ", tries(tries_left))
    };
    type_on_reader(secret, token, tries_left: u8) = {
        let secret = capitalized(&secret.to_string());
        format!("{secret} for {token}, {} left: type it on the reader.", tries(tries_left))
    };
    change_on_reader(secret, token, tries_left: u8) = {
        let secret = capitalized(&secret.to_string());
        format!(
            "{secret} for {token}, {} left: type it on the reader, then the new one twice.",
            tries(tries_left)
        )
    };
    reader_goes_on_asking() =
        "Nobody has typed on the reader yet. It goes on asking, for as long as it takes.";
    prove_on_reader(secret) =
        "Changed. Type the new {secret} once more on the reader, to prove it.";
    new_secret_unproven(secret) =
        "the {secret} is changed, but not proven to be the new one that was typed";
    old_one_typed_too_long() = "if the token refuses it, the old one was typed too long: what was \
        too much stands before it";
    reader_may_still_ask() = "nothing was changed; if the reader still asks, press its cancel key";

    wrong_secret(secret, tries_left: u8) = {
        format!("Wrong {secret}. {} left.", tries(tries_left))
    };
    last_try_of_the_admin_pin() =
        "One try left: another mistake blocks the admin PIN, and nothing unblocks it.";
    last_try_of_the_reset_code() = "One try left: another mistake blocks the reset code.";
    // What is typed if it is meant.
    yes() = "YES";
    last_try_question(yes) = "Type {yes} to use it, or Ctrl-C: ";

    new_secret(secret) = "New {secret}: ";
    new_secret_again(secret) = "The new {secret} again: ";
    new_secret_known_to_all(secret) = "every new token has this {secret}; choose another";
    new_secrets_differ() = "these two differ";

    // The fields of a window.
    pin_field() = "PIN:";
    answer_field(answer) = "{answer}:";

    something_came_first() = "something else came first";
    no_terminal_for_the_pin() = "there is no terminal to ask for the PIN";
    program_cannot_ask(program, what) = "{program} cannot ask for the PIN: {what}";
    program_makes_no_sense() = "it makes no sense";
    program_says_too_much() = "it says too much";
    program_ended() = "it ended";
    program_fails() = "it fails";
    pin_unreadable_from_descriptor(number) = "the PIN cannot be read from descriptor {number}";
    pin_unreadable_from_its_descriptor() = "the PIN cannot be read from its descriptor";
    pin_unreadable_from_file(path) = "the PIN cannot be read from {path}";

    // What to do without a PIN.
    no_pin_nothing_changed() = "nothing was changed";
    hand_the_pin_over() = "run it in a terminal, or hand the PIN over with --pin-fd";
    bad_pin_nothing_changed() = "the token was not asked; nothing was changed";
    is_the_pin_readable() = "is the descriptor open, and the credential readable?";
    open_the_pin_descriptor() = "open it, as in: --pin-fd 9 9<FILE";
    correct_the_credential() = "correct the unit's LoadCredential=, or leave it out";
    hand_over_a_pin_alone() = "what is handed over has to be the PIN and nothing else";
    no_terminal_for_secrets() = "there is no terminal to ask on";
    secrets_are_typed() = "run it in a terminal: these secrets are only typed";
}

// The commands for tokens.
texts! { Token in English;
    // What stands on a token, in lines: what a line is about, in at most 11 characters, and what
    // it says.
    about_token() = "Token";
    token_and_card(token, manufacturer, major, minor) =
        "{token} ({manufacturer}, OpenPGP card {major}.{minor})";
    about_room() = "Room";
    room_in_bytes(bytes) = "{bytes} bytes";
    about_pin() = "PIN";
    pin_tries_left(tries) = "tries left: {tries}";
    about_label() = "Label";
    about_card_name() = "Card name";
    about_name() = "Name";
    name_and_serial(name, serial) = "{name}, serial {serial}";
    about_issued() = "Issued";
    about_valid_from() = "Valid from";
    about_valid_until() = "Valid until";
    valid_until_revoked() = "it is revoked";
    about_public_key() = "Public key";
    about_gateway() = "Gateway";
    gateway_at(public_key, endpoints) = "{public_key}, at {endpoints}";
    gateway_with_preshared_key_at(public_key, endpoints) =
        "{public_key}, with a preshared key, at {endpoints}";
    about_addresses() = "Addresses";
    about_routes() = "Routes";
    about_dns() = "DNS";
    about_mtu() = "MTU";
    mtu_in_bytes(bytes) = "{bytes} bytes";
    about_keepalive() = "Keepalive";
    keepalive_off() = "off";
    keepalive_every(seconds) = "every {seconds} s";
    about_size() = "Size";
    size_of_room(bytes, room) = "{bytes} of {room} bytes";

    // Tokens in a list.
    no_token_to_list() = "No token is plugged in.";
    listed_without_label() = "empty, or issued without a label";
    listed_with_pin_blocked(label) = "{label}, PIN blocked";

    // What its two objects hold.
    label_until(name, day) = "{name}, until {day}";
    label_expired_on(name, day) = "{name}, expired on {day}";
    label_absent() = "no label";
    label_damaged(check) = "a damaged label ({check})";
    label_too_new(what) = "a newer tokenvpn's label ({what})";
    profile_of(name, serial) = "the profile of {name}, serial {serial}";
    profile_absent() = "no profile";
    profile_damaged(check) = "a damaged profile ({check})";
    profile_too_new(what) = "a newer tokenvpn's profile ({what})";
    data_of_another_program() = "another program's data";

    // Cards that a command cannot go on with, and what to do.
    plug_in_any_token() = "plug in your YubiKey, Nitrokey or OpenPGP card";
    named_token_absent(token) = "the token {token} is not plugged in";
    plug_in_named_token() = "plug it in; tokenvpn token list shows what is there";
    token_was_not_awaited() = "this was ended before the token answered; nothing was written";
    service_may_hang() =
        "if the smart-card service does not answer: sudo systemctl restart pcscd.service";
    token_was_removed() = "the token was removed";
    plug_in_and_start_over() = "plug it in again and start over";
    run_where_logged_in() = "run it as root, or where you are logged in at the computer itself";
    admin_pin_blocked_for_good() = "the admin PIN is blocked, for good; nothing was erased";
    factory_reset_makes_new() =
        "the token still works with its PIN; only gpg --card-edit, factory-reset makes it new";
    reset_code_blocked() = "the reset code is blocked; nothing was erased";
    unblock_with_admin_pin() = "use the admin PIN: tokenvpn token unblock --admin";
    type_pin_in_terminal() = "type it in a terminal; a right one restores all tries";
    profile_beyond_room(bytes, room) =
        "the profile has {bytes} bytes, and this token has room for {room}";
    invite_with_fewer() = "invite again with fewer endpoints, routes or name servers";

    // Secrets that everybody knows, and those that are typed on the reader.
    factory_pin() = "this token still has the PIN of every new one, so anybody could use it";
    change_factory_pin() = "change it first: tokenvpn token pin (and the admin PIN: --admin)";
    factory_admin_pin() =
        "this token still has the admin PIN of every new one, so anybody could take it over";
    change_factory_admin_pin() = "change it first: tokenvpn token pin --admin";
    pin_unseen_question() =
        "Typed on the reader, the PIN is not seen here.\n\
         Type YES if it is no longer the one of every new token: ";
    perhaps_factory_pin() =
        "this token may still have the PIN of every new one, so anybody could use it";
    change_unseen_pin() =
        "change it first: tokenvpn token pin; if it is another one, answer YES in a terminal";
    admin_pin_unseen_question() =
        "Typed on the reader, the admin PIN is not seen here.\n\
         Type YES if it is no longer the one of every new token: ";
    perhaps_factory_admin_pin() =
        "this token may still have the admin PIN of every new one, so anybody could take it over";
    change_unseen_admin_pin() =
        "change it first: tokenvpn token pin --admin; if it is another one, answer YES in a \
         terminal";
    secrets_may_be_swapped() =
        "warning: the PIN and the key may reach this computer's swap\n\
         hint: run it as root, or allow more locked memory (ulimit -l)";
    reset_code_too_long() =
        "the code had more characters than the token's, and the card took the rest for the \
         beginning of the new PIN";
    type_rest_of_reset_code() =
        "type that rest before the new PIN, or unblock it again with the exact code";

    // Invitations.
    paste_invitation() = "Paste the invitation and end it with Ctrl-D.";
    invitation_unreadable(file, error) = "the invitation cannot be read from {file}: {error}";
    pasted_invitation_unreadable(error) =
        "the invitation cannot be read from standard input: {error}";
    invitation_and_pin_on_stdin() =
        "standard input cannot hold both the invitation and the PIN";
    part_invitation_and_pin() =
        "name the invitation's file, or hand the PIN over as in: --pin-fd 9 9<FILE";
    who_makes_invitations() =
        "the administrator makes one: tokenvpn-gateway invite NAME | tokenvpn token issue";
    copy_invitation_whole() = "copy it whole, or have a new one made";
    invitation_or_clock_wrong() = "have a new one made; or is this computer's clock wrong?";
    invite_with_later_expiry() = "have one made with a later expiry";
    correct_gateway_configuration() =
        "have the gateway's configuration corrected and a new one made";
    invitation_of_another_name(own, invited) =
        "this token is {own}'s, and the invitation {invited}'s";
    invite_right_name() =
        "have the right name invited, or fill the token anew: tokenvpn token issue";
    invitation_of_another_address(own, invited) =
        "this token has the address {own}, and the invitation is for {invited}";
    // addresses: one, or more with --address between them.
    invite_this_address(name, addresses) =
        "have this address invited: tokenvpn-gateway invite {name} --address {addresses}";
    // lines: as above, each with its end; so below.
    not_taken_from_invitation(lines) =
        "Not taken from the invitation; a token has it once, for all its gateways:\n{lines}";

    // Gateways by their place on the token.
    which_gateway(gateways) =
        "this token knows {gateways} gateways, and --endpoint does not say whose";
    say_which_gateway() =
        "say which with --gateway, 1 for the first; tokenvpn token show lists them";
    no_such_gateway(place, gateways: u64) = {
        format!("there is no gateway {place}: this token knows {}", count(gateways, "gateway"))
    };
    show_lists_gateways() = "tokenvpn token show lists them";
    only_gateway() = "this is the only gateway that the token knows";
    add_gateway_or_erase() =
        "give it another one first (tokenvpn token add-gateway), or empty it (tokenvpn token \
         erase)";
    gateway_known_already() = "the gateway that made this invitation is on the token already";
    renew_with_known_gateway() = "renew the token with it: tokenvpn token renew";

    // What is about to be written, and lost.
    profile_impossible(error) = "no profile can be made of this: {error}";
    leave_out_of_profile() = "leave out endpoints, routes or name servers; nothing was written";
    correct_profile() = "correct that and start over; nothing was written";
    expired_and_not_changed(day, days: u64) = {
        let ago = ago(days);
        format!("this token expired on {day}, {ago} by this computer's clock; nothing was written")
    };
    renew_or_set_the_clock() =
        "renew it first (tokenvpn token renew), or set the clock (timedatectl)";
    to_be_written(token, lines) = "For {token}:\n{lines}";
    no_longer_on_token(lines) = "No longer on the token:\n{lines}";
    // The only answer to the questions below that is a yes; they and the hints name it.
    // loss: a profile, or data of another program.
    overwrite_question(loss) = "This token holds {loss}. Type YES to overwrite it: ";
    loss_in_place_of_label(what) = "{what} in place of a label";
    loss_of_both(one, other) = "{one}, and {other}";
    not_overwritten() = "the token was not overwritten";
    not_overwritten_unasked() = "the token was not overwritten: there is no terminal to ask";
    to_be_erased(token, profile, label) = "{token} holds {profile}, and its label: {label}.";
    erase_question() = "Type YES to erase both for good: ";
    not_erased() = "the token was not erased";
    not_erased_unasked() = "the token was not erased: there is no terminal to ask";
    only_yes_destroys() = "it holds what it held; only YES, in capital letters, is a yes";
    answer_yes_in_terminal() = "run it in a terminal and answer YES; nothing was changed";
    nothing_to_erase(token) = "{token} holds nothing to erase.";

    // What was done.
    token_written(token) = "Written to {token} and read back.";
    token_issued(token) =
        "Written to {token} and read back. It is of use once the gateway has enrolled it: \
         tokenvpn-gateway enrol.";
    token_renewed(token) =
        "Written to {token} and read back. It connects again once the gateway has enrolled it.";
    token_has_further_gateway(token) =
        "Written to {token} and read back. It connects there too once that gateway has enrolled \
         it.";
    token_erased(token) = "{token} is empty now.";
    card_named(token, name) = "The card {token} is called {name} now.";
    // secret: the PIN, the admin PIN or the reset code.
    token_has_new_secret(token, secret) = "{token} has the new {secret}.";
    token_unblocked(token) = "{token} has the new PIN, with all its tries.";
    token_key_does_not_work() = "the key on the token does not work";
    use_another_token() = "start over; if it stays so, use another token";
    output_unwritable(error) = "the output cannot be written: {error}";
    is_reader_of_output_there() = "is the program that reads it still there?";
    enrolment_unread(enrolment) = "The enrolment, which nobody has got:\n{enrolment}";
    enrol_it_all_the_same() =
        "the token is written: give the enrolment above to tokenvpn-gateway enrol";
    // what: what happened in the middle; hint: what to do about that.
    cut_while_writing(what) =
        "{what}, in the middle of writing: what the token held may be gone or incomplete";
    cut_while_erasing(what) =
        "{what}, in the middle of erasing: the token may still hold what it held";
    then_start_over(hint) = "{hint}; then start over";
    card_not_named(what) = "the card has not got its name: {what}";
    all_but_name_is_done() = "all else is done: the token is written, and this is its enrolment; \
        only issuing it again names the card";

    // An error where it is not the end, as a sentence of its own.
    error_as_sentence(error) = { format!("{}.", capitalized(&error.to_string())) };
}

// What `tokenvpn doctor` finds.
texts! { Doctor in English;
    // How bad a finding is: the first column, of at most eight characters.
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
    card_service_fails(reason) = "the smart-card service fails: {reason}";
    restart_card_service() = "try: sudo systemctl restart pcscd";
    no_reader_plugged_in() = "no card reader is plugged in";
    plug_in_a_reader() =
        "plug in a reader or a token with one inside; pcscd needs its driver (libccid)";

    no_token_plugged_in() = "no token is plugged in";
    token_held_by_somebody() = "another program holds a token";
    // Programs with their process IDs.
    token_held_by(holders) = "another program holds a token (likely {holders})";
    token_held_by_up() = "tokenvpn up has the token, and waits for its PIN";
    // `tokenvpn down`, with the interface if it is another one.
    type_pin_there_or_end(down) = "type it there, or end that: {down}";
    // Two at least.
    several_tokens_plugged_in(number: usize) =
        "{number} tokens are plugged in, and tokenvpn up takes none unless it is told which";
    choose_a_token_for_up(file) =
        "choose with tokenvpn up --token or in {file}, or pull the others";
    card_without_room(reader) = "the card in {reader} cannot hold a profile";
    card_in_reader_fails(reader, reason) = "the card in {reader}: {reason}";
    try_another_port() = "pull it, plug it in again, and try another port";

    token_has_few_tries(token, left: u8) = { format!("{token} has {} left", tries(left)) };
    right_pin_restores_tries() =
        "type the right PIN once; it restores all tries, unless the token never has more";
    pin_of_token_blocked(token) = "the PIN of {token} is blocked; nothing was erased";
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
    everything_is_closed_all_the_same(interface) =
        "{interface} is up, and what it does not take leaves to this computer's own links only";
    networks_are_closed_all_the_same(interface, networks) =
        "{interface} is up, and {networks} lead nowhere";
    closed_as_asked_to(down) =
        "so it was asked to (kill switch, or hold on removal); to end that: {down}";

    running_and_connected(interface, gateway) = "{interface} is connected to {gateway}";
    running_and_connected_since(interface, gateway, seconds: u64) =
        "{interface} is connected to {gateway}, last handshake {seconds} s ago";
    // One of the states that `tokenvpn status` tells.
    running_and_not_connected(interface, state) =
        "{interface} is running and not connected: {state}";
    up_waits_for_token() = "plug it in; tokenvpn up goes on from there";
    up_waits_for_service() = "it goes on once the service is back";
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

    // The live view: what its key does, and the first column, of at most eleven characters.
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
    // The command line and the configuration file.
    bad_descriptor() = "a descriptor to read from is 0, or 3 and above";
    bad_interface() = "an interface name has 1 to 15 letters, digits, '-', '_' or '.'";
    interface_of_the_gateway() = "this name is the gateway's; choose another";
    bad_time() = "a time is a whole number of seconds, at least 1";
    bad_policy() = "it is immediate, grace:SECONDS or hold";
    bad_grace(most) = "a grace lasts 1 to {most} whole seconds";
    see_command_help() = "tokenvpn COMMAND --help shows how";
    config_unreadable(file, error) = "cannot read {file}: {error}";
    correct_or_remove_config() =
        "correct its permissions, or remove it: every option can be left out";
    config_may_set(keys) = "it may set {keys}";
    config_keys() = "token, interface, wait, ready-timeout, once, kill-switch, on-removal \
        and keypad";
    started_by_hand() = "this is how tokenvpn starts itself";

    // Who holds the interface, and the supervisor there.
    interface_held(interface) = "another tokenvpn holds the interface {interface}";
    end_holder(command) = "end it with: {command}; or choose another --interface";
    directory_of_others(directory) = "{directory} is no directory that only this user writes to";
    remove_directory_of_others() =
        "remove it; a gateway on this computer needs another runtime_dir (gateway.toml)";
    run_as_root() = "run it as root";
    // holder: what is said of it above.
    holder_does_not_end(holder) = "{holder} and does not end";
    kill_holder() = "kill -9 the process, then tokenvpn down again: it puts everything back";
    may_not_end_tunnel(error) = "no permission to end the tunnel: {error}";
    may_not_ask_supervisor(interface, error) = "no permission to ask {interface}: {error}";
    supervisor_does_not_answer(interface) = "the supervisor of {interface} does not answer";
    end_with_down() = "tokenvpn down ends it; what is left of it is put back";

    // Files of the tunnel.
    cannot_open(file) = "cannot open {file}";
    cannot_read(file) = "cannot read {file}";
    cannot_write(file) = "cannot write {file}";
    cannot_mount_over(file) = "cannot mount over {file}";
    not_a_journal(file, reason) = "{file} is no journal of this version: {reason}";
    journal_of_version(version) = "version {version}";
    journal_of_strange_steps() = "it holds a step that no tunnel takes";
    look_at_journal() =
        "it lists what to undo: look at it, then remove it; tokenvpn doctor finds what is left";
    mounted_over() = "another mount lies over it";

    // Why there is no tunnel.
    may_not_make_tunnel() = "no permission to make a tunnel (CAP_NET_ADMIN)";
    device_cannot_be_opened(path, error) = "{path} cannot be opened: {error}";
    choose_free_interface() = "choose another name with --interface";
    networks_have_same_addresses() =
        "this computer's own network has the same addresses; use another network, or ask for \
         narrower routes";
    is_resolved_running() = "is systemd-resolved running? see: resolvectl status";
    is_there_a_resolv_conf() = "is there an /etc/resolv.conf? if not: touch /etc/resolv.conf";
    debug_log_tells_more() = "RUST_LOG=debug tells more";
    descriptors_not_kept() = "the tunnel's descriptors cannot be kept";
    ipv6_stays_off() = "IPv6 cannot be turned on for the tunnel, and is on beside it";
    name_servers_not_taken() = "resolvectl does not take the name servers";
    way_around_not_closed(error) = "the way around the tunnel cannot be closed: {error}";
    leave_the_way_open() =
        "leave out --kill-switch and --on-removal hold, or look at: ip rule; what is closed \
         already, tokenvpn down opens";

    // Why there is no worker.
    memory_not_protected_for(error, errno) = "memory cannot be protected: {error} ({errno})";
    allow_locked_memory() = "run it as root, or allow CAP_IPC_LOCK";
    worker_not_confined(error) = "the worker cannot be confined: {error}";

    // Mistakes of ours.
    // state: a state's name.
    state_is_no_error(state) = "{state} is no error";
    question_panicked() = "looking for it panicked";
    worker_ended() = "the worker ended unexpectedly";
    worker_deaf() = "the worker does not listen";
    worker_out_of_turn() = "the worker spoke out of turn";
    worker_moved_without_session() = "the worker moved without a session";
    worker_names_no_gateway() = "the worker named a gateway that does not exist";
    worker_told_nothing_to_begin_with() = "the worker was told to begin in the middle";
    worker_told_nothing_to_carry() = "the worker was told something else than to carry";
    worker_told_no_pin_order() = "the worker was told something else than to ask for the PIN";
    worker_has_nothing_to_go_on_with() = "the worker has nothing to go on with";
    worker_carries_already() = "the worker carries packets already";
    worker_got_no_descriptors() = "the worker got no descriptors";
    worker_got_no_candidates() = "the worker got no candidates";
    worker_got_candidate_of_no_gateway() = "the worker got a candidate of no gateway";
    answer_unreadable() = "the supervisor's answer cannot be read";
    protocol_failed() = "the tunnel's protocol failed again and again";

    // What the system refused, or a layer of ours.
    core_files_not_forbidden(cause) = "core files cannot be forbidden: {cause}";
    memory_not_protected(cause) = "memory cannot be protected: {cause}";
    signals_not_held(cause) = "signals cannot be held: {cause}";
    supervisor_does_not_start(cause) = "the supervisor does not start: {cause}";
    supervisor_cannot_wait(cause) = "the supervisor cannot wait: {cause}";
    worker_does_not_start(cause) = "the worker does not start: {cause}";
    supervisor_not_heard(cause) = "the supervisor cannot be heard: {cause}";
    worker_not_heard(cause) = "the worker cannot be heard: {cause}";
    removal_not_told(cause) = "a removal could not be told: {cause}";
    pin_cannot_be_asked(cause) = "the PIN cannot be asked: {cause}";
    gateway_not_added(cause) = "the gateway cannot be a peer: {cause}";
    packets_do_not_start(cause) = "the packet loop does not start: {cause}";
    packets_ended(cause) = "the packet loop ended: {cause}";
    gateways_not_asked(cause) = "the gateways cannot be asked: {cause}";

    // Why a message between our two processes is none.
    message_to_nobody() = "the other process is gone";
    message_is_missing() = "no message waits";
    message_out_of_bounds() = "a message breaks the bounds";
    message_malformed() = "a message cannot be understood";
    message_io_failed() = "the socket failed";
    impossible_gateways() = "a message holds an impossible number of gateways or endpoints";
    impossible_addresses() = "a message holds an impossible number of addresses";
    impossible_routes() = "a message holds an impossible number of allowed IPs";
    impossible_servers() = "a message holds an impossible number of name servers";
    impossible_mtu() = "a message holds an impossible MTU";
    impossible_keepalive() = "a message holds an impossible keepalive";
    impossible_failure() = "a message holds an impossible failure";
}

// The help of `tokenvpn`; no full stop behind the first sentence of one, as usual.
texts! { Help in English;
    help_exit_done() = "It did what it was to do; up: somebody ended it; status: the tunnel is up";
    help_exit_other() = "Anything that has no code of its own; doctor: something is wrong, or left";
    help_exit_usage() = "The command line or a configuration file is wrong, or there are several \
        tokens to choose from; up waits on a terminal until there is one";
    help_exit_no_token() = "No token is plugged in, or none was within --wait; status: the tunnel \
        is not up";
    help_exit_pin() = "The PIN was wrong, or was not given";
    help_exit_pin_blocked() = "The PIN is blocked";
    help_exit_expired() = "The profile or the invitation has expired";
    help_exit_damaged() = "The profile is damaged, or was written by a newer tokenvpn";
    help_exit_empty() = "The token holds no profile";
    help_exit_no_gateway() = "No gateway has answered within --ready-timeout";
    help_exit_removed() = "The token was removed: with --once, or before a command was done";
    help_exit_busy() = "Another program holds the token";
    help_exit_no_service() = "No smart-card service answers";
    help_exit_clock() = "This computer's clock is wrong, or the profile is not yet valid";
    help_exit_unsupported() = "The card cannot hold a profile";
    help_exit_internal() = "A mistake of tokenvpn itself";

    help_about() = "A VPN that you carry: everything it needs comes from an OpenPGP card token";
    help_up() = "Wait for a token, ask for its PIN and hold the tunnel until the token is pulled";
    help_down() = "End a running `up` and put everything back";
    help_status() = "Say whether the tunnel is up";
    help_doctor() = "Look for what keeps the tunnel from working, and say what to do about it";
    help_token() = "Look at tokens, fill and empty them";

    help_up_token() = "Use this token only, as in 0006:12345678";
    help_pin_fd() = "Read the PIN from this open descriptor; it is tried once";
    help_no_keypad() = "Leave the reader's keypad alone: PINs are typed elsewhere";
    help_interface() = "Name of the tunnel device [default: tokenvpn]";
    help_up_wait() = "Give up (exit 3) when no token is plugged in within this time";
    help_up_ready_timeout() = "Give up (exit 9) when no gateway answers within this time";
    help_up_once() = "End with the first token: at its removal (exit 10) or at what is wrong with \
        it";
    help_up_kill_switch() = "Let nothing out of this computer but through the tunnel";
    help_up_kill_switch_more() = "From the start, before any token, until it is ended (Ctrl-C, \
        SIGTERM, its terminal closed, `tokenvpn down`): whatever would leave by a default route is \
        refused. Networks to which the routing table knows a way of their own stay reachable, the \
        local network above all, and the tunnel's own datagrams pass. If it ends otherwise, or is \
        killed, all stays closed until `tokenvpn down`. Names of gateways are looked up past it, in \
        the clear. Before there is a tunnel only a name server in the local network is heard, \
        unless rp_filter is 0. Programs that bind themselves to a network device still reach what is \
        on that link.";
    help_up_on_removal() = "What the removal of the token means: immediate, grace:SECONDS or hold \
        [default: immediate]";
    help_up_on_removal_more() = "immediate: keys and tunnel go at once, however short the token \
        was out; a reader that the smart-card service looks at only now and then hides a shorter \
        absence than that.\n\n\
        grace:SECONDS, at most 60: the tunnel stands still, nothing is sent, and it goes on \
        without a PIN if the same token comes back in time. Its keys stay in memory meanwhile, and \
        a token is known by its number alone, which a fake card can have too.\n\n\
        hold: keys and tunnel go at once, but the networks of the profile lead nowhere until the \
        tunnel of the same token, known by its number too, is up again or it is ended as above. The \
        tunnel of another token takes its own networks meanwhile and opens no others. What one \
        that was killed or ended otherwise has left closed, the next with hold keeps so until \
        `tokenvpn down`; the next without opens it.";
    help_up_json() = "Print one event a line on stdout, as JSON";
    help_up_more() = "tokenvpn-up(8) tells where the PIN may come from, which files there are, and \
        what --json prints.";

    help_status_watch() = "Go on showing it every second, with rates, until q is pressed; with \
        --json one object a line";

    help_doctor_gateways() = "Ask the gateways of a token, with its PIN, whether they answer it";
    help_doctor_gateways_more() = "Each of their addresses has five seconds for the first two \
        messages of a tunnel. No tunnel is made; a gateway takes this computer for the token's \
        place until it is heard from elsewhere. While `tokenvpn up` has a token, its gateway is \
        told instead, and no PIN is asked.";
    help_doctor_residue() = "Look instead for anything that tokenvpn has left on this computer";

    help_token_list() = "List the tokens that are plugged in";
    help_token_show() = "Show what a token holds: with its PIN everything but the secrets";
    help_token_issue() = "Make a key and write it to a token, with what an invitation says";
    help_token_renew() = "Give a token a new expiry, and what else a new invitation of the same \
        name says";
    help_token_add_gateway() = "Give a token one more gateway to go over to, from that gateway's \
        invitation";
    help_token_edit() = "Change where a token connects to and what it routes, or its name";
    help_token_erase() = "Erase profile and label from a token";
    help_token_pin() = "Change a token's PIN, its admin PIN or its reset code";
    help_token_unblock() = "Give a token whose PIN is blocked or forgotten a new one";
    help_token_more() = "The PIN is asked for as by tokenvpn up, see tokenvpn-up(8): on the \
        reader's keypad if it has one. The admin PIN is typed there too, or else on the terminal; \
        with --no-keypad, or where the keypad fails, neither is typed on it. \
        Not seen by this computer, neither can be told from the one that every new token has: to \
        put a key on a token, somebody has to say in the terminal that it is another one.";
    help_token_pin_more() = "Where the reader has a keypad on which PINs can be changed, PIN and \
        admin PIN are changed there, and proven by typing the new one once more; unless only one \
        try is left. Otherwise, as always for a reset code, the new one is typed on the terminal, \
        and so is the PIN or admin PIN that it replaces.";
    help_token_unblock_more() = "The admin PIN is typed on the reader's keypad if it has one. The \
        reset code and the new PIN are not for a keypad: they are typed on the terminal. Whoever \
        wants a PIN that this computer has not seen changes it afterwards: tokenvpn token pin.";
    help_which_token() = "Use this token, as in 0006:12345678";

    help_issue_no_label() = "Write no label: nobody learns the token's name without its PIN";
    help_issue_card_name() = "Call the card itself so, for whoever asks it without a PIN; needs \
        the admin PIN";
    help_issue_invitation() = "The invitation [default: standard input]";

    help_renew_new_key() = "Make a new key; the gateway forgets the old one when it enrols this \
        one";
    help_renew_invitation() = "The new invitation [default: standard input]";

    help_add_gateway_invitation() = "The other gateway's invitation [default: standard input]";

    help_edit_endpoint() = "Reach the gateway here; several times: in this order";
    help_edit_gateway() = "Whose endpoints they are, on a token with several gateways: 1 for the \
        first";
    help_edit_remove_gateway() = "Take this gateway off the token: 1 for the first";
    help_edit_route() = "Route this network into the tunnel; several times: these, and no other";
    help_edit_dns() = "Use this name server while the tunnel is up; several times: these";
    help_edit_no_dns() = "Use no name server of the tunnel's";
    help_edit_name() = "Call the token so; the gateway keeps the name that it knows";

    help_pin_admin() = "Change the admin PIN instead";
    help_pin_reset_code() = "Set the reset code instead, with the admin PIN: who has the code can \
        unblock the PIN";

    help_unblock_admin() = "Use the admin PIN even if the token has a reset code";
}

// What only its manual pages say.
texts! { Manual in English;
    // The exit status of a subcommand, in man(7): the page that has it is a line of its own.
    manual_see(page) = "See\n{page}.";

    manual_pin_sources() = "PIN SOURCES";
    manual_pin_sources_begin() = "The PIN comes from the first of these that there is. It is in no \
        argument and no environment variable, and a wrong one is never tried again. One that \
        nobody types is tried once, and only while the token has three tries or more. Three are \
        all that a token has, unless its owner has set another limit: below three such a PIN is \
        never tried, and above, a wrong one costs a try with each start until two are left.";
    manual_pin_fd() = "One line on a descriptor that is open already: --pin-fd 9 9<FILE. Nobody \
        types it.";
    manual_credential() = "The systemd credential pin";
    manual_credential_use() = "LoadCredential=pin:FILE or LoadCredentialEncrypted=pin:FILE in the \
        unit, see systemd.exec(5). Nobody types it, and nobody sees whose token it is tried on: \
        name the one that it is for, with --token or in client.toml.";
    manual_keypad() = "The reader's keypad";
    manual_keypad_use() = "If it has one; the PIN does not pass through this computer. It asks for \
        as long as it takes, whatever time the reader itself gives. Not for the last try, before \
        which a YES is asked for. Where the keypad fails, the next source is asked. --no-keypad, \
        or keypad = false in client.toml, leaves it alone: for a reader whose keypad is of no use, \
        and for a PIN with letters.";
    manual_terminal() = "The terminal";
    manual_terminal_use() = "The one that it was started on, without echo; never standard input.";
    manual_pinentry() = "Where it is installed and there is a display, or GPG_TTY is set.";
    manual_agent() = "Where it runs as a service of systemd; answered with \
        systemd-tty-ask-password-agent.";

    manual_signals() = "SIGNALS";
    manual_signals_end() = "Ends it as tokenvpn down does, and so do SIGINT, SIGHUP and SIGQUIT.";
    manual_signal_restart() = "Ends it too, but leaves closed what the kill switch or hold keeps \
        closed, for the one that is started next; systemctl restart sends it. Without a next one, \
        tokenvpn down opens it.";

    manual_config_file(keys) = "What the command line leaves out: {keys}, as in kill-switch = true \
        or on-removal = \"hold\". It holds no secret.";
    manual_runtime_files() = "Lock, control socket and journal of each tunnel. Whatever a killed \
        one leaves there is put back by the next tokenvpn up or down.";
    manual_wireguard_socket() = "For wg show.";
    manual_resolv_conf() = "Another file, for reading only, is mounted over it while \
        there is a tunnel with name servers and no systemd-resolved. Those in the one below, or \
        those that systemd-resolved had before, are asked for names of gateways all the same, past \
        the tunnel. One on this computer itself that passes questions on does so through the \
        tunnel. What a DHCP client has to say of a network that is joined meanwhile is missing \
        afterwards until it says it again.";

    manual_states() = "JSON STATES";
    manual_states_begin() = "With --json each line on standard output is an object. Its state has \
        one of the names below; beside it are the fields in parentheses, of which those that have \
        nothing to say are left out. Moments are in Unix seconds. A state that ends it, at once or \
        because there is no terminal, has what, hint and code too: the two lines that people read, \
        and the exit status. On a terminal, without --once, what is wrong with a token does not \
        end it, nor do several tokens of which none was chosen: it waits until that changes. Later \
        versions may add states and fields. The state in tokenvpn status --json has the same names, \
        and down.";
    manual_state_waiting_token() = "No token is plugged in, or not the one that was named";
    manual_state_waiting_change() = "What was told before stays so until the token changes, or \
        another comes; unlabelled: a change to it may go unseen until it is put in again";
    manual_state_waiting_service() = "The smart-card service has broken off, and is waited for";
    manual_state_no_token() = "No token came within --wait";
    manual_state_no_service() = "The smart-card service does not answer";
    manual_state_token_busy() = "Another program holds the token; wanted: or perhaps that is \
        another one than was asked for";
    manual_state_pick_token() = "Several tokens are plugged in, each with token and name";
    manual_state_pin() = "The PIN is asked for, in one of these sources: pinpad, terminal, \
        pinentry, agent";
    manual_state_pin_wrong() = "The token refused a PIN";
    manual_state_pin_too_long() = "The token takes shorter PINs only, and was not asked";
    manual_state_pin_length() = "The reader takes no PIN of that length; the token was not asked";
    manual_state_pin_source_failed() = "This source cannot ask for the PIN; the next one does";
    manual_state_pin_timed_out() = "Nobody has typed on the reader in its time; it goes on asking";
    manual_state_pin_last() = "One try is left, and has to be confirmed";
    manual_state_pin_blocked() = "No try is left";
    manual_state_pin_cancelled() = "The PIN was asked for and not given";
    manual_state_pin_missing() = "There is nobody to ask for the PIN";
    manual_state_pin_untried() = "A PIN that nobody typed was not tried, as fewer than three tries \
        are left";
    manual_state_foreign() = "The token holds another program's data in place of a profile";
    manual_state_damaged() = "A profile or label fails a check, and was not used";
    manual_state_too_new() = "Only a newer tokenvpn can read the profile or label";
    manual_state_expired() = "The profile has expired";
    manual_state_expires_soon() = "The profile expires within 14 days";
    manual_state_not_yet_valid() = "The profile is valid only later";
    manual_state_clock() = "This computer's clock cannot be right";
    manual_state_unsupported_card() = "The card has no room for a profile";
    manual_state_card_failed() = "The card or its reader does not do as it should";
    manual_state_no_permission() = "A permission is missing; cards: to ask the cards";
    manual_state_resolving() = "Names of gateways are looked up";
    manual_state_connecting() = "A gateway is tried";
    manual_state_unreachable() = "No gateway has answered, or no name could be looked up (tried: \
        there was an address); it is tried again";
    manual_state_no_gateway() = "No gateway answered within --ready-timeout";
    manual_state_up() = "The tunnel is up; closed: what leads nowhere all the same, for a token \
        that is out";
    manual_state_roamed() = "This computer's network has changed, and the gateway still answers";
    manual_state_lost() = "The gateway no longer answers; all are tried again";
    manual_state_moved() = "The tunnel goes on through another endpoint, after so many seconds of \
        silence";
    manual_state_token_removed() = "The token is out, and all that was there for it is gone; \
        tunnel: there was one; closed: its networks lead nowhere; reason: pulled or service_lost";
    manual_state_token_grace() = "The token is out, and has this long to come back";
    manual_state_token_back() = "The token came back in time, and the tunnel goes on; connected: \
        there was a session when it went";
    manual_state_kill_switch() = "From now on nothing leaves but through the tunnel";
    manual_state_stays_closed() = "The way around the tunnel stays closed: it ends so, or began \
        so after another that did";
    manual_state_down() = "It was ended; tunnel: there was one; opened: so is what led nowhere \
        without it";
    manual_state_failed() = "Anything else that went wrong";
}

// `tokenvpn-gateway`.
texts! { Gateway in English;
    // Every error is these two lines.

    // Faults of the program itself.
    gateway_cannot_wait(cause) = "the gateway cannot wait: {cause}";
    registry_thread_has_ended() = "the registry's thread has ended";
    request_unknown_to_gateway(cause) = "the gateway does not know this request: {cause}";
    gateway_gave_another_answer() =
        "the running gateway answered something else than was asked";
    worker_has_ended() = "a worker has ended";
    worker_sessions_failed() = "sessions failed one after the other";

    // Files, and the system.
    path_cannot_be_used(path, cause) = "{path} cannot be used: {cause}";
    gateway_cannot_start(cause) = "the gateway cannot start: {cause}";
    gateway_cannot_listen(path, cause) = "cannot listen on {path}: {cause}";
    gateway_device_is_gone(interface, cause) = "the device {interface} is gone: {cause}";
    gateway_output_failed(cause) = "cannot write to standard output: {cause}";
    unreadable_enrolment(cause) = "cannot read the enrolment from standard input: {cause}";
    run_as_root_or_gateway_user() =
        "run this as root (sudo), or as the user that the gateway runs as";
    make_room_there() = "make room on that file system";
    make_it_writable() = "make that file system writable";
    check_path_and_file_system() = "check that path and its file system";
    // Where there is no backup. `init` overwrites nothing, so all of it has to go.
    restore_or_make_anew() =
        "restore it from a backup; without one, move gateway.toml and the whole state_dir away, \
         run init, and issue every token again";

    // Why there is no configuration.
    no_configuration(path) = "there is no configuration at {path}";
    make_or_name_configuration() =
        "make one with tokenvpn-gateway init, or name yours with --config FILE";
    configuration_unreadable(path, cause) = "{path} cannot be read: {cause}";
    configuration_broken(path, line, column, message) = "{path}:{line}:{column}: {message}";
    correct_configuration_line(line) =
        "correct line {line}; nothing was started or changed";
    configuration_too_long(path, bytes) =
        "{path} is no configuration: it is longer than {bytes} bytes";
    name_own_configuration() =
        "name the gateway's own with --config FILE; nothing was started or changed";
    configuration_lacks_key(path, key) = "{path} has no {key}";
    // line: as it would stand in the file
    add_line_as_in(line) = "add a line, as in {line}; nothing was started or changed";
    add_configuration_key(key) = "add {key}; nothing was started or changed";

    // Mistakes in a configuration. found: a value, as the reader of TOML describes it
    configuration_is_no_text() = "this is no UTF-8 text";
    unknown_configuration_key(key, keys) = "there is no key '{key}'; there are: {keys}";
    has_to_be_u8(found) = "this has to be a number from 0 to 255, not {found}";
    has_to_be_u16(found) = "this has to be a number from 0 to 65535, not {found}";
    has_to_be_list(found) = "this has to be a list in brackets, not {found}";
    has_to_be_quoted(found) = "this has to be a text in quotes, not {found}";
    has_to_be(expected, found) = "this has to be {expected}, not {found}";
    bad_workers() = "a gateway has 1 to 64 workers";
    bad_invitation_days() = "an invitation is valid for 1 to 366 days";
    bad_interface_name(most) =
        "an interface name is 1 to {most} letters, digits, '-', '_' or '.'";

    // Mistakes in networks.
    network_has_host_bits(given, network) =
        "{given} has bits behind its prefix; the network is {network}";
    network_too_small(network) = "{network} has no room for a gateway and its clients";
    network_is_special(network) = "{network} cannot be a tunnel's network";
    networks_overlap(one, other) = "{one} and {other} overlap";
    networks_are_missing() = "there has to be a network";
    choose_networks_apart() = "choose networks that stand apart";
    choose_private_network() =
        "choose a private network with room, as in 10.77.0.0/24 or fd77::/64";

    // gateway.toml, as `init` writes it: these are its comments, of as many lines as it takes.
    comment_above_all(keys) =
        "The configuration of tokenvpn-gateway. The running one takes up a change of\n\
         {keys}\n\
         by tokenvpn-gateway reload, any other at its next start.";
    comment_on_interface() =
        "Name of the tunnel device: up to 15 letters, digits, '-', '_' or '.'. Required.";
    comment_on_listen_port() = "UDP port to listen on, from 1 to 65535. Required.";
    comment_on_endpoints() =
        "Where clients reach this machine from outside, HOST:PORT, best first. Required.";
    comment_on_networks() =
        "The tunnel's networks; the gateway takes the first address of each. Required.";
    comment_on_routes() =
        "Networks behind the gateway that new invitations name too. Default: none.";
    comment_on_dns() =
        "Addresses of the resolvers that new invitations name. Default: none.";
    comment_on_mtu() =
        "Largest packet inside the tunnel, in bytes, from 1280 to 9000. Default: 1420.";
    comment_on_keepalive() = "Seconds between a client's keepalives; 0 is none. Default: 25.";
    comment_on_workers() = "Threads that move packets, from 1 to 64. Default: 1.";
    comment_on_invitation_days() =
        "Days that an invitation may be used, from 1 to 366. Default: 7.";
    comment_on_state_dir() =
        "Directory of the key, the registry and the lock. Default: \"/var/lib/tokenvpn\".";
    comment_on_runtime_dir() = "Directory of the control socket. Default: \"/run/tokenvpn\".";
    comment_on_private_key_file() =
        "File with the gateway's private key. Default: private-key in state_dir.";

    // The gateway's key.
    no_key_file(path) = "there is no key file at {path}";
    key_file_unusable(path, cause) = "the key file {path} cannot be used: {cause}";
    key_file_open_to_others(path, mode: u32) =
        "the key file {path} is open to other users (mode {mode:04o})";
    close_key_file(path) =
        "chmod 600 {path}; if others may have read it, make a new key";
    key_file_of_another_user(path, uid) =
        "the key file {path} belongs to another user (uid {uid})";
    take_key_file(owner, path) = "if the key is yours: chown {owner} {path}";
    key_file_without_key(path, cause) = "the key file {path} holds no key: {cause}";
    restore_key_line_or_make_anew() =
        "it has to hold one line, as wg genkey prints it: restore it from a backup; without one, \
         move gateway.toml and the whole state_dir away, run init, and issue every token again";

    // A preshared key in a file, for `add`.
    no_preshared_key_file(path) = "there is no preshared key at {path}";
    make_preshared_key(path) =
        "make one: (umask 077; wg genpsk > {path}), and give it to the client too";
    correct_preshared_key() = "it has to hold one line, as wg genpsk prints it";

    // The state directory.
    no_state_dir(path) = "there is no {path}";
    correct_state_dir_or_make_anew() =
        "correct state_dir in gateway.toml, or restore it from a backup; without one, move \
         gateway.toml and the whole state_dir away, run init, and issue every token again";
    state_dir_unusable(path, cause) = "the state directory {path} cannot be used: {cause}";
    state_dir_open_to_others(path, mode: u32) =
        "the state directory {path} is open to other users (mode {mode:04o})";
    close_state_dir(path) = "chmod 700 {path}";
    // Of a file in there: the cause why it cannot be used.
    state_file_is_a_link() = "it is a link, or no file";

    // Why the registry did not do what it was asked.
    no_registry(path) = "there is no registry at {path}";
    path_exists(path) = "{path} exists already";
    init_never_overwrites() =
        "init never overwrites; move it away, or name other places with --config and --state-dir";
    foreign_registry(path) = "{path} is no registry of this program";
    registry_too_new(path, version, known) =
        "{path} was written by a newer program (version {version}, this one knows {known})";
    use_program_that_wrote_registry() = "use the program that wrote it, or a newer one";
    registry_of_another_version(path) =
        "{path} was written by another version of this program";
    use_program_or_make_anew() =
        "use the program that wrote it; with this one, make everything anew (init)";
    registry_damaged(what) = "the registry is damaged: {what}";
    registry_entry_was_changed(name) = "what is kept of {name} was changed";
    address_belongs_to_both(address, one, other) = "{address} belongs to {one} and {other}";
    // What is damaged, behind the name of its field: a key that is missing
    open_invitation_has_one() = "an open invitation has one";
    of_no_such_length() = "of no such length";
    registry_failed(cause) = "the registry cannot be read or written: {cause}";
    check_registry_file_system() =
        "check the file system of state_dir: room, permissions, health";

    // Why a command was refused, and what to do.
    name_is_taken(name) = "{name} exists already";
    choose_another_name() = "choose another name, or revoke that one first; invite renews it";
    name_is_unknown(name) = "there is no {name}";
    key_is_unknown(name) = "{name} has no such key";
    identities_lists_all() = "tokenvpn-gateway identities lists what there is";
    key_is_enrolled(name) = "this public key is enrolled already, for {name}";
    one_key_one_identity(name) =
        "one key is one identity: make a new key, or revoke {name} first";
    key_is_gateways_own() = "this public key is the gateway's own";
    give_clients_key() = "give the client's public key, made on the client";
    address_is_outside(address) = "{address} is in none of the tunnel's networks";
    address_is_reserved(address) = "{address} is the gateway's own or no host's address";
    address_is_taken(address) = "{address} is taken";
    choose_free_address() =
        "choose a free address in the tunnel's networks, or leave --address out";
    network_is_full(network) = "no address is left in {network}";
    make_room_for_addresses() =
        "revoke identities that are not used, or add a network to gateway.toml";
    renewal_keeps_address(name, address) =
        "{name} has another address than {address}, and a renewal keeps it";
    leave_address_out(name) =
        "leave --address out, or add --spare for a further key of {name}";
    name_has_several_keys(name) = "{name} has several keys";
    say_which_key_to_renew() = "say with --address which of them to renew";
    invitation_is_unknown() = "this invitation is unknown here";
    invitation_was_used() = "this invitation was used already";
    invitation_was_withdrawn() = "this invitation was withdrawn";
    invitation_was_valid_until(date) = "this invitation was valid until {date}";
    make_new_invitation() = "make a new one with tokenvpn-gateway invite; nothing was changed";
    invitation_is_for_another(invited, name) = "this invitation is for {invited}, not for {name}";
    hand_over_enrolment_unchanged() =
        "hand over the enrolment as the token's computer printed it";
    access_would_have_ended(date) = "the access would have ended on {date}";
    choose_date_to_come() = "choose a date to come; check this machine's clock";
    access_has_not_ended(name) = "the access of {name} has not ended";
    identities_shows_who_may() =
        "nothing was changed; tokenvpn-gateway identities shows who may come in";
    access_is_over(name, date) = "the access of {name} was given until {date}, which is over";
    renew_access(name) =
        "renew it with tokenvpn-gateway invite {name}; check this machine's clock";

    // What to do about an invitation or an enrolment that cannot be read.
    look_at_command_in_front() =
        "nothing was changed; the command in front of this one in the pipe says why";
    use_same_version_on_both_ends() = "use programs of the same version on both ends";
    correct_in_configuration_or_command() =
        "correct that, in gateway.toml or on the command line";
    hand_over_what_issue_printed() =
        "hand over what tokenvpn token issue printed, unchanged; nothing was changed";
    invitation_taken_back() =
        "the invitation is withdrawn: invite again, into a file or a pipe that takes it";
    invitation_ends_by_itself() =
        "nobody has the invitation, and it ends by itself: invite again";

    // What to do about what keeps the gateway from starting.
    stop_what_uses_port() =
        "stop what uses it (ss -ulpn names it), or choose another listen_port";
    check_machines_network() = "check this machine's network (ip address)";
    load_tun_driver() = "modprobe tun; in a container, pass /dev/net/tun in";
    choose_another_interface() =
        "choose another interface in gateway.toml, or remove the one that has the name";
    check_tun_driver() = "check this machine's TUN driver (dmesg)";
    check_machines_addresses() =
        "check the addresses of this machine (ip address) against gateway.toml";

    // Whether the gateway runs. command: a whole command line
    gateway_not_running() = "the gateway is not running";
    start_gateway_with(command) = "start it: {command}";
    gateway_runs_already(state_dir) = "a gateway runs already on the state in {state_dir}";
    stop_other_gateway() = "stop it first, or give this one a state_dir of its own";
    gateway_does_not_answer(socket, cause) =
        "the running gateway does not answer on {socket}: {cause}";
    no_such_socket() = "there is no such socket";
    check_runtime_dir() =
        "check that runtime_dir is the one it was started with, or restart it";
    change_not_taken_up() =
        "the change was stored, but the running gateway has not taken it up";
    restart_for_change() = "restart the gateway; the stored change counts from then on";
    worker_did_not_answer() = "a worker did not answer within a second";
    worker_lost_device(cause) = "a worker has lost its device or socket: {cause}";
    start_gateway_again() =
        "start the gateway again; another program may have removed its interface";

    // `run`. setting: as sysctl names it
    gateway_listens(port, interface, public_key, identities: usize) = {
        let identities = match identities {
            1 => "1 identity".to_owned(),
            number => format!("{number} identities"),
        };
        format!(
            "Listening on UDP port {port} as {interface}, public key {public_key}, {identities}."
        )
    };
    machine_forwards_nothing(setting) =
        "warning: this machine forwards nothing ({setting} is 0): clients reach only the gateway \
         itself";
    turn_forwarding_on(setting) =
        "hint: sysctl -w {setting}=1, and put it into /etc/sysctl.d/ to keep it";

    // `init`: below the public key. run: a whole command line
    gateway_was_made(path, run) =
        "That is the gateway's public key. Read {path}, which explains itself; then: {run}";
    give_outside_endpoint() =
        "give the address or host name at which clients reach this machine from outside";

    // What to do about a value on the command line.
    give_public_key() =
        "make one with wg genkey | wg pubkey, or ask the client's owner for the public key";
    identities_lists_keys() = "tokenvpn-gateway identities lists the keys";
    give_route() = "give an address and a prefix, as in --route 10.20.0.0/16";
    give_network() = "give an address and a prefix, as in --network 10.77.0.0/24";
    give_endpoint() = "give a host and a port, as in --endpoint vpn.example:51820";
    see_help_of_command() = "tokenvpn-gateway COMMAND --help shows how";

    // What `enrol`, `add`, `reinstate` and `revoke` have done.
    may_come_in(name, addresses, gateway_key) =
        "{name} may come in with {addresses}. The gateway's public key is {gateway_key}.";
    nobody_to_reinstate() = "Nobody's access has ended before its date.";
    keys_reinstated(keys: usize) = {
        match keys {
            1 => "1 key may come in again.".to_owned(),
            keys => format!("{keys} keys may come in again."),
        }
    };
    invitation_withdrawn(name) = "The invitation of {name} is withdrawn.";
    keys_revoked(name, keys: usize) = {
        match keys {
            1 => format!("The key of {name} is revoked."),
            keys => format!("{keys} keys of {name} are revoked."),
        }
    };

    // `reload`
    nothing_to_take_up() = "Nothing has changed.";
    taken_up(keys) = "Taken up: {keys}.";
    cannot_take_up(keys) = "a running gateway cannot take up another {keys}";
    restart_or_put_back() =
        "nothing was changed; restart the gateway, or put the old value back";

    // `status`
    watching_takes_a_terminal() = "--watch fills a terminal, and standard output is none";
    watch_with_json() = "for programs there is --watch --json, one object a line";
    gateway_device(interface, port) = "interface {interface}, UDP port {port}";
    gateway_device_with_addresses(interface, port, addresses) =
        "interface {interface}, UDP port {port}, {addresses}";
    gateway_device_key(key) = "public key {key}";
    // The two directions of the live view.
    traffic_in() = "in";
    traffic_out() = "out";
    handshake_seconds_ago(seconds) = "{seconds} s ago";
    handshake_minutes_ago(minutes, seconds) = "{minutes} min {seconds} s ago";
    handshake_hours_ago(hours, minutes) = "{hours} h {minutes} min ago";
    handshake_days_ago(days, hours) = "{days} d {hours} h ago";
    no_handshake_yet() = "never";

    // `identities`. date: when the access ends; until: how long the invitation may be used
    nobody_may_come_in() = "Nobody may come in yet, and nobody is invited.";
    listed_spare(name) = "{name} (spare)";
    access_never_ends() = "never";
    date_is_over(date) = "{date} (over)";
    listed_invitation(until) = "invited, until {until}";
    listed_spare_invitation(until) = "spare invited, until {until}";
    listed_renewal_invitation(until) = "renewal invited, until {until}";

    // `audit`
    nothing_was_done() = "Nothing was done.";

    // What stands above the columns of these tables.
    column_name() = "NAME";
    column_endpoint() = "ENDPOINT";
    column_latest_handshake() = "LATEST HANDSHAKE";
    column_rate_in() = "IN";
    column_rate_out() = "OUT";
    column_received() = "RECEIVED";
    column_sent() = "SENT";
    column_allowed_ips() = "ALLOWED IPS";
    column_addresses() = "ADDRESSES";
    column_expires() = "EXPIRES";
    column_last_endpoint() = "LAST ENDPOINT";
    column_public_key() = "PUBLIC KEY";
    column_when() = "WHEN";
    column_who() = "WHO";
    column_what() = "WHAT";
}

// The help of `tokenvpn-gateway`. No full stop behind the first sentence of a help, as usual.
texts! { GatewayHelp in English;
    gateway_help_about() = "The gateway that tokens connect to";
    gateway_help_config() = "The gateway's configuration";

    // Each exit code, and what it means.
    gateway_help_exit_done() =
        "It did what it was to do; run: somebody ended it; status: the gateway runs";
    gateway_help_exit_other() = "Anything that has no code of its own";
    gateway_help_exit_usage() = "The command line or the configuration is wrong";
    gateway_help_exit_down() = "The gateway does not run";
    gateway_help_exit_internal() = "A mistake of tokenvpn-gateway itself";

    // The commands; `…_more` follows in the long help.
    gateway_help_init() =
        "Make the key, the configuration and the registry; print the gateway's public key";
    gateway_help_run() = "Run the gateway in the foreground";
    gateway_help_reload() = "Let the running gateway take up a changed configuration";
    gateway_help_reload_more() =
        "Endpoints, routes, dns, keepalive and invitation_days count at once, in the invitations \
         that follow. Anything else takes a restart and is refused here.";
    gateway_help_invite() = "Print an invitation for a token (TOML)";
    gateway_help_invite_more() =
        "A name that exists is invited to renew: it keeps its address, and its old key ends when \
         the new one is enrolled.";
    gateway_help_enrol() = "Read a token's enrolment (TOML) from standard input and let it in";
    gateway_help_add() = "Let in a WireGuard client that made its own key";
    gateway_help_revoke() = "End a name's access, live sessions included";
    gateway_help_reinstate() = "Let in again whose access was ended by a clock that was wrong";
    gateway_help_reinstate_more() =
        "Access that has ended stays ended when the clock is set back: a clock that somebody sets \
         back must let nobody in. Where the clock was wrong when it ended, this lets in again \
         whose date is still to come; a date that is over takes a renewal (invite).";
    gateway_help_identities() = "List who may come in";
    gateway_help_status() = "Show the running gateway and its peers";
    gateway_help_audit() = "Show who was invited, enrolled, added and revoked, by whom and when";

    gateway_help_init_endpoint() = "Where clients reach this machine from outside";
    gateway_help_init_network() =
        "The tunnel's networks; the gateway takes the first address of each";
    gateway_help_init_interface() = "Name of the tunnel device";
    gateway_help_init_state_dir() = "Where the key and the registry are kept";
    gateway_help_init_runtime_dir() =
        "Where the control socket stands while the gateway runs";

    gateway_help_invite_name() = "Who is invited";
    gateway_help_invite_spare() =
        "Invite a further key of that name, with its own address, revocable alone";
    gateway_help_invite_address() =
        "A tunnel address instead of the next free one; for a renewal, the address of the key to \
         renew";
    gateway_help_invite_route() =
        "A network to reach through the tunnel, instead of the configured ones";
    gateway_help_invite_dns() = "A resolver to use, instead of the configured ones";
    gateway_help_invite_endpoint() =
        "Where to reach the gateway, instead of the configured endpoints";
    // Of `invite` and `add`.
    gateway_help_expires() = "When the access ends; a bare date ends that day, UTC";

    gateway_help_add_name() = "Who is let in";
    gateway_help_add_public_key() = "The client's public key (wg pubkey)";
    gateway_help_add_preshared_key() = "A file with a preshared key (wg genpsk)";
    gateway_help_add_address() = "A tunnel address instead of the next free one";

    gateway_help_revoke_name() = "Whose access ends";
    gateway_help_revoke_key() = "End this key's access only";

    gateway_help_reinstate_name() = "Whose access is given back";
    gateway_help_reinstate_all() =
        "Give back the access of everyone whose date is still to come";

    gateway_help_status_watch() =
        "Show it again and again until a key is pressed; with --json, one object a line";

    gateway_help_audit_since() =
        "Nothing older than this; a bare date begins that day, UTC";
}
