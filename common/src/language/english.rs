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
}

// The help of `tokenvpn-gateway`.
texts! { GatewayHelp in English;
}
