//! What both programs say to people, in any language.
//!
//! A language is one file below, with every text of both programs; [`say`] gives the one that
//! was chosen. What one language can say and another cannot does not compile. Names that
//! programs read (states, fields, keys, commands, paths) are the same in all languages, and stand
//! where they are used; so does what is logged, and what the system and libraries say is quoted
//! as they say it.

mod english;

use std::sync::OnceLock;

pub use english::{
    Doctor, Gateway, GatewayHelp, Help, Manual, Prompt, Shared, Status, Token, Tunnel, Up,
};

/// All that can be said.
pub trait Language:
    Shared + Up + Prompt + Token + Doctor + Status + Tunnel + Help + Manual + Gateway + GatewayHelp
{
}

impl<T> Language for T where
    T: Shared
        + Up
        + Prompt
        + Token
        + Doctor
        + Status
        + Tunnel
        + Help
        + Manual
        + Gateway
        + GatewayHelp
{
}

static CHOSEN: OnceLock<&'static dyn Language> = OnceLock::new();

/// The language that was chosen, or English.
#[must_use]
pub fn say() -> &'static dyn Language {
    CHOSEN.get().copied().unwrap_or(&english::English)
}

/// The type of an argument: whatever can be shown, where a text does not depend on it otherwise.
macro_rules! argument {
    () => { &dyn std::fmt::Display };
    ($type:ty) => { $type };
}
use argument;

/// A text with its arguments in braces; or, in braces itself, code for the grammar of it.
macro_rules! text {
    ($text:literal) => { format!($text) };
    ({ $($code:tt)* }) => {{ $($code)* }};
}
use text;

/// A part of what there is to say, and how the first language says it:
/// `name(argument, argument: type) = text;`
macro_rules! texts {
    ($section:ident in $language:ident; $($name:ident(
        $($argument:ident $(: $type:ty)?),*
    ) = $text:tt;)*) => {
        #[doc = concat!("The texts of the part `", stringify!($section), "`.")]
        pub trait $section: Sync {
            $(
                #[doc = stringify!($text)]
                fn $name(&self, $($argument: argument!($($type)?)),*) -> String;
            )*
        }

        translated! { $section in $language; $($name($($argument $(: $type)?),*) = $text;)* }
    };
}
use texts;

/// The same part in a further language.
macro_rules! translated {
    ($section:ident in $language:ident; $($name:ident(
        $($argument:ident $(: $type:ty)?),*
    ) = $text:tt;)*) => {
        impl $section for $language {
            $(
                #[allow(unused_variables)]
                fn $name(&self, $($argument: argument!($($type)?)),*) -> String {
                    text!($text)
                }
            )*
        }
    };
}
use translated;
