# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_tokenvpn_gateway_global_optspecs
    string join \n config= h/help V/version
end

function __fish_tokenvpn_gateway_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_tokenvpn_gateway_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_tokenvpn_gateway_using_subcommand
    set -l cmd (__fish_tokenvpn_gateway_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -s h -l help -d 'Print help; --help tells more than -h'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -s V -l version -d 'Print version'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "init" -d 'Make the key, the configuration and the registry; print the gateway\'s public key'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "run" -d 'Run the gateway in the foreground'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "reload" -d 'Let the running gateway take up a changed configuration'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "invite" -d 'Print an invitation for a token (TOML)'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "enrol" -d 'Read a token\'s enrolment (TOML) from standard input and let it in'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "add" -d 'Let in a WireGuard client that made its own key'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "revoke" -d 'End a name\'s access, live sessions included'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "reinstate" -d 'Let in again whose access was ended by a clock that was wrong'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "identities" -d 'List who may come in'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "status" -d 'Show the running gateway and its peers'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "audit" -d 'Show who was invited, enrolled, added and revoked, by whom and when'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand init" -l endpoint -d 'Where clients reach this machine from outside' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand init" -l network -d 'The tunnel\'s networks; the gateway takes the first address of each' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand init" -l interface -d 'Name of the tunnel device [default: tokenvpn-gw]' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand init" -l state-dir -d 'Where the key and the registry are kept [default: /var/lib/tokenvpn]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand init" -l runtime-dir -d 'Where the control socket stands while the gateway runs [default: /run/tokenvpn]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand init" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand init" -s h -l help -d 'Print help'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand run" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand run" -s h -l help -d 'Print help'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand reload" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand reload" -s h -l help -d 'Print help; --help tells more than -h'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand invite" -l address -d 'A tunnel address instead of the next free one; for a renewal, the address of the key to renew' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand invite" -l route -d 'A network to reach through the tunnel, instead of the configured ones' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand invite" -l dns -d 'A resolver to use, instead of the configured ones' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand invite" -l expires -d 'When the access ends; a bare date ends that day, UTC' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand invite" -l endpoint -d 'Where to reach the gateway, instead of the configured endpoints' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand invite" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand invite" -l spare -d 'Invite a further key of that name, with its own address, revocable alone'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand invite" -s h -l help -d 'Print help; --help tells more than -h'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand enrol" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand enrol" -s h -l help -d 'Print help'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand add" -l public-key -d 'The client\'s public key (wg pubkey)' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand add" -l preshared-key -d 'A file with a preshared key (wg genpsk)' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand add" -l address -d 'A tunnel address instead of the next free one' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand add" -l expires -d 'When the access ends; a bare date ends that day, UTC' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand add" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand add" -s h -l help -d 'Print help'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand revoke" -l key -d 'End this key\'s access only' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand revoke" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand revoke" -s h -l help -d 'Print help'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand reinstate" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand reinstate" -l all -d 'Give back the access of everyone whose date is still to come'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand reinstate" -s h -l help -d 'Print help; --help tells more than -h'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand identities" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand identities" -l json -d 'Print JSON'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand identities" -s h -l help -d 'Print help'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand status" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand status" -l json -d 'Print JSON'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand status" -l watch -d 'Show it again and again until a key is pressed; with --json, one object a line'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand status" -s h -l help -d 'Print help'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand audit" -l since -d 'Nothing older than this; a bare date begins that day, UTC' -r
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand audit" -l config -d 'The gateway\'s configuration [default: /etc/tokenvpn/gateway.toml]' -r -F
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand audit" -l json -d 'Print JSON'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand audit" -s h -l help -d 'Print help'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "init" -d 'Make the key, the configuration and the registry; print the gateway\'s public key'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "run" -d 'Run the gateway in the foreground'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "reload" -d 'Let the running gateway take up a changed configuration'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "invite" -d 'Print an invitation for a token (TOML)'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "enrol" -d 'Read a token\'s enrolment (TOML) from standard input and let it in'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "add" -d 'Let in a WireGuard client that made its own key'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "revoke" -d 'End a name\'s access, live sessions included'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "reinstate" -d 'Let in again whose access was ended by a clock that was wrong'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "identities" -d 'List who may come in'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "status" -d 'Show the running gateway and its peers'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "audit" -d 'Show who was invited, enrolled, added and revoked, by whom and when'
complete -c tokenvpn-gateway -n "__fish_tokenvpn_gateway_using_subcommand help; and not __fish_seen_subcommand_from init run reload invite enrol add revoke reinstate identities status audit help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
