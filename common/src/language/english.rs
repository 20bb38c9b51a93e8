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
    malformed_network(text: &str) =
        "{text:?} is no network; a network is an address and a prefix, as in 10.77.0.0/24";
    empty_name() = "a name cannot be empty";
    name_too_long(most, bytes) = "a name has at most {most} bytes, this one has {bytes}";
    control_in_name() = "a name cannot hold control or invisible characters";
    blank_around_name() = "a name cannot begin or end with white space";
    endpoint_without_port() =
        "an endpoint is HOST:PORT, as in vpn.example.com:51820 or [2001:db8::5]:51820";
    port_out_of_range() = "a port is a number from 1 to 65535";
    malformed_host(most) = "this is neither an address nor a host name of letters, digits and \
        hyphens (at most {most} bytes)";
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
}

// `tokenvpn status`, once and live.
texts! { Status in English;
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
