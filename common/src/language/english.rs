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
    // Every error is these two lines.
    gateway_error_and_hint(what, hint) = "error: {what}\nhint: {hint}";

    // Faults of the program itself.
    report_gateway_fault() =
        "this should not happen; RUST_LOG=debug tells more, please report it";
    gateway_failed(what) = "the program failed: {what}";
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
    terminal_cannot_be_watched(cause) = "the terminal cannot be used: {cause}";
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
    has_to_be_u8(found) = "this has to be a number from 0 to 255, not {found}";
    has_to_be_u16(found) = "this has to be a number from 0 to 65535, not {found}";
    has_to_be_list(found) = "this has to be a list in brackets, not {found}";
    has_to_be_quoted(found) = "this has to be a text in quotes, not {found}";
    has_to_be(expected, found) = "this has to be {expected}, not {found}";
    bad_listen_port() = "a port is a number from 1 to 65535";
    bad_workers() = "a gateway has 1 to 64 workers";
    bad_invitation_days() = "an invitation is valid for 1 to 366 days";
    bad_interface_name(most) =
        "an interface name is 1 to {most} letters, digits, '-', '_' or '.'";

    // Mistakes in networks.
    no_network(text: &str) =
        "{text:?} is no network; a network is an address and a prefix, as in 10.77.0.0/24";
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
    gateway_runs_never_unguarded() =
        "it does not run unguarded: check this kernel's settings (seccomp, prctl)";

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
    q_quits() = "q: quit";
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
    gateway_help_json() = "Print JSON";

    // Each exit code, and what it means.
    gateway_help_exit_status() = "Exit status:";
    gateway_help_exit_done() =
        "It did what it was to do; run: somebody ended it; status: the gateway runs";
    gateway_help_exit_other() = "Anything that has no code of its own";
    gateway_help_exit_usage() = "The command line or the configuration is wrong";
    gateway_help_exit_down() = "The gateway does not run";
    gateway_help_exit_no_permission() = "A permission is missing";
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
