# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_tokenvpn_global_optspecs
    string join \n h/help V/version
end

function __fish_tokenvpn_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_tokenvpn_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_tokenvpn_using_subcommand
    set -l cmd (__fish_tokenvpn_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c tokenvpn -n "__fish_tokenvpn_needs_command" -s h -l help -d 'Print help; --help tells more than -h'
complete -c tokenvpn -n "__fish_tokenvpn_needs_command" -s V -l version -d 'Print version'
complete -c tokenvpn -n "__fish_tokenvpn_needs_command" -f -a "up" -d 'Wait for a token, ask for its PIN and hold the tunnel until the token is pulled'
complete -c tokenvpn -n "__fish_tokenvpn_needs_command" -f -a "down" -d 'End a running `up` and put everything back'
complete -c tokenvpn -n "__fish_tokenvpn_needs_command" -f -a "status" -d 'Say whether the tunnel is up'
complete -c tokenvpn -n "__fish_tokenvpn_needs_command" -f -a "doctor" -d 'Look for what keeps the tunnel from working, and say what to do about it'
complete -c tokenvpn -n "__fish_tokenvpn_needs_command" -f -a "token" -d 'Look at tokens, fill and empty them'
complete -c tokenvpn -n "__fish_tokenvpn_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand up" -l token -d 'Use this token only, as in 0006:12345678' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand up" -l pin-fd -d 'Read the PIN from this open descriptor; it is tried once' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand up" -l interface -d 'Name of the tunnel device [default: tokenvpn]' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand up" -l wait -d 'Give up (exit 3) when no token is plugged in within this time' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand up" -l ready-timeout -d 'Give up (exit 9) when no gateway answers within this time' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand up" -l on-removal -d 'What the removal of the token means: immediate, grace:SECONDS or hold [default: immediate]' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand up" -l no-keypad -d 'Leave the reader\'s keypad alone: PINs are typed elsewhere'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand up" -l once -d 'End with the first token: at its removal (exit 10) or at what is wrong with it'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand up" -l kill-switch -d 'Let nothing out of this computer but through the tunnel'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand up" -l json -d 'Print one event a line on stdout, as JSON'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand up" -s h -l help -d 'Print help; --help tells more than -h'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand down" -l interface -d 'Name of the tunnel device [default: tokenvpn]' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand down" -s h -l help -d 'Print help'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand status" -l interface -d 'Name of the tunnel device [default: tokenvpn]' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand status" -l json -d 'Print JSON'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand status" -l watch -d 'Go on showing it every second, with rates, until q is pressed; with --json one object a line'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand status" -s h -l help -d 'Print help'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand doctor" -l token -d 'Use this token, as in 0006:12345678' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand doctor" -l pin-fd -d 'Read the PIN from this open descriptor; it is tried once' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand doctor" -l gateways -d 'Ask the gateways of a token, with its PIN, whether they answer it'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand doctor" -l no-keypad -d 'Leave the reader\'s keypad alone: PINs are typed elsewhere'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand doctor" -l residue -d 'Look instead for anything that tokenvpn has left on this computer'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand doctor" -l json -d 'Print JSON'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand doctor" -s h -l help -d 'Print help; --help tells more than -h'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and not __fish_seen_subcommand_from list show issue renew add-gateway edit erase pin unblock help" -s h -l help -d 'Print help; --help tells more than -h'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and not __fish_seen_subcommand_from list show issue renew add-gateway edit erase pin unblock help" -f -a "list" -d 'List the tokens that are plugged in'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and not __fish_seen_subcommand_from list show issue renew add-gateway edit erase pin unblock help" -f -a "show" -d 'Show what a token holds: with its PIN everything but the secrets'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and not __fish_seen_subcommand_from list show issue renew add-gateway edit erase pin unblock help" -f -a "issue" -d 'Make a key and write it to a token, with what an invitation says'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and not __fish_seen_subcommand_from list show issue renew add-gateway edit erase pin unblock help" -f -a "renew" -d 'Give a token a new expiry, and what else a new invitation of the same name says'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and not __fish_seen_subcommand_from list show issue renew add-gateway edit erase pin unblock help" -f -a "add-gateway" -d 'Give a token one more gateway to go over to, from that gateway\'s invitation'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and not __fish_seen_subcommand_from list show issue renew add-gateway edit erase pin unblock help" -f -a "edit" -d 'Change where a token connects to and what it routes, or its name'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and not __fish_seen_subcommand_from list show issue renew add-gateway edit erase pin unblock help" -f -a "erase" -d 'Erase profile and label from a token'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and not __fish_seen_subcommand_from list show issue renew add-gateway edit erase pin unblock help" -f -a "pin" -d 'Change a token\'s PIN, its admin PIN or its reset code'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and not __fish_seen_subcommand_from list show issue renew add-gateway edit erase pin unblock help" -f -a "unblock" -d 'Give a token whose PIN is blocked or forgotten a new one'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and not __fish_seen_subcommand_from list show issue renew add-gateway edit erase pin unblock help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from show" -l token -d 'Use this token, as in 0006:12345678' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from show" -l pin-fd -d 'Read the PIN from this open descriptor; it is tried once' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from show" -l no-keypad -d 'Leave the reader\'s keypad alone: PINs are typed elsewhere'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from issue" -l token -d 'Use this token, as in 0006:12345678' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from issue" -l pin-fd -d 'Read the PIN from this open descriptor; it is tried once' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from issue" -l card-name -d 'Call the card itself so, for whoever asks it without a PIN; needs the admin PIN' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from issue" -l no-keypad -d 'Leave the reader\'s keypad alone: PINs are typed elsewhere'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from issue" -l no-label -d 'Write no label: nobody learns the token\'s name without its PIN'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from issue" -s h -l help -d 'Print help'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from renew" -l token -d 'Use this token, as in 0006:12345678' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from renew" -l pin-fd -d 'Read the PIN from this open descriptor; it is tried once' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from renew" -l no-keypad -d 'Leave the reader\'s keypad alone: PINs are typed elsewhere'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from renew" -l new-key -d 'Make a new key; the gateway forgets the old one when it enrols this one'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from renew" -s h -l help -d 'Print help'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from add-gateway" -l token -d 'Use this token, as in 0006:12345678' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from add-gateway" -l pin-fd -d 'Read the PIN from this open descriptor; it is tried once' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from add-gateway" -l no-keypad -d 'Leave the reader\'s keypad alone: PINs are typed elsewhere'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from add-gateway" -s h -l help -d 'Print help'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from edit" -l token -d 'Use this token, as in 0006:12345678' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from edit" -l pin-fd -d 'Read the PIN from this open descriptor; it is tried once' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from edit" -l endpoint -d 'Reach the gateway here; several times: in this order' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from edit" -l gateway -d 'Whose endpoints they are, on a token with several gateways: 1 for the first' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from edit" -l remove-gateway -d 'Take this gateway off the token: 1 for the first' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from edit" -l route -d 'Route this network into the tunnel; several times: these, and no other' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from edit" -l dns -d 'Use this name server while the tunnel is up; several times: these' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from edit" -l name -d 'Call the token so; the gateway keeps the name that it knows' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from edit" -l no-keypad -d 'Leave the reader\'s keypad alone: PINs are typed elsewhere'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from edit" -l no-dns -d 'Use no name server of the tunnel\'s'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from edit" -s h -l help -d 'Print help'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from erase" -l token -d 'Use this token, as in 0006:12345678' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from erase" -l pin-fd -d 'Read the PIN from this open descriptor; it is tried once' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from erase" -l no-keypad -d 'Leave the reader\'s keypad alone: PINs are typed elsewhere'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from erase" -s h -l help -d 'Print help'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from pin" -l token -d 'Use this token, as in 0006:12345678' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from pin" -l no-keypad -d 'Leave the reader\'s keypad alone: PINs are typed elsewhere'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from pin" -l admin -d 'Change the admin PIN instead'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from pin" -l reset-code -d 'Set the reset code instead, with the admin PIN: who has the code can unblock the PIN'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from pin" -s h -l help -d 'Print help; --help tells more than -h'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from unblock" -l token -d 'Use this token, as in 0006:12345678' -r
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from unblock" -l no-keypad -d 'Leave the reader\'s keypad alone: PINs are typed elsewhere'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from unblock" -l admin -d 'Use the admin PIN even if the token has a reset code'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from unblock" -s h -l help -d 'Print help; --help tells more than -h'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the tokens that are plugged in'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show what a token holds: with its PIN everything but the secrets'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "issue" -d 'Make a key and write it to a token, with what an invitation says'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "renew" -d 'Give a token a new expiry, and what else a new invitation of the same name says'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "add-gateway" -d 'Give a token one more gateway to go over to, from that gateway\'s invitation'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "edit" -d 'Change where a token connects to and what it routes, or its name'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "erase" -d 'Erase profile and label from a token'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "pin" -d 'Change a token\'s PIN, its admin PIN or its reset code'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "unblock" -d 'Give a token whose PIN is blocked or forgotten a new one'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and not __fish_seen_subcommand_from up down status doctor token help" -f -a "up" -d 'Wait for a token, ask for its PIN and hold the tunnel until the token is pulled'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and not __fish_seen_subcommand_from up down status doctor token help" -f -a "down" -d 'End a running `up` and put everything back'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and not __fish_seen_subcommand_from up down status doctor token help" -f -a "status" -d 'Say whether the tunnel is up'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and not __fish_seen_subcommand_from up down status doctor token help" -f -a "doctor" -d 'Look for what keeps the tunnel from working, and say what to do about it'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and not __fish_seen_subcommand_from up down status doctor token help" -f -a "token" -d 'Look at tokens, fill and empty them'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and not __fish_seen_subcommand_from up down status doctor token help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "list" -d 'List the tokens that are plugged in'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "show" -d 'Show what a token holds: with its PIN everything but the secrets'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "issue" -d 'Make a key and write it to a token, with what an invitation says'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "renew" -d 'Give a token a new expiry, and what else a new invitation of the same name says'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "add-gateway" -d 'Give a token one more gateway to go over to, from that gateway\'s invitation'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "edit" -d 'Change where a token connects to and what it routes, or its name'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "erase" -d 'Erase profile and label from a token'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "pin" -d 'Change a token\'s PIN, its admin PIN or its reset code'
complete -c tokenvpn -n "__fish_tokenvpn_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "unblock" -d 'Give a token whose PIN is blocked or forgotten a new one'
