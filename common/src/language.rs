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
    Doctor, Gateway, GatewayHelp, Help, Manual, Prompt, Shared, Status, Token, Tunnel, Up, Usage,
};

/// All that can be said.
pub trait Language:
    Usage
    + Shared
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

/// Every language, by its name in locale(7): `de`, or `pt_BR` where the country matters.
///
/// A further one is a file beside `english.rs`, and two lines here: `mod german;` above, and
/// `("de", &german::German),` below. The file begins as that one does, and says each part under
/// the same names, `translated! { Usage in German; … }`; the compiler lists what is missing.
/// [`Bracketed`] is such a language, made by a macro and chosen like all of them.
const LANGUAGES: &[(&str, &dyn Language)] = &[
    ("en", &english::English),
    #[cfg(debug_assertions)]
    ("en_XA", &Bracketed),
];

/// English, every text in brackets: what shows without them stands in no language's file. For tests
/// alone; `en_XA` is the usual name of such a language.
#[cfg(debug_assertions)]
struct Bracketed;

#[cfg(debug_assertions)]
impl Language for Bracketed {}

static CHOSEN: OnceLock<&'static dyn Language> = OnceLock::new();

/// Chooses the language of a locale (`de_AT.UTF-8`), for good. Nothing changes where we have none
/// of that name, or one was chosen already.
pub fn choose(locale: &str) {
    if let Some(language) = of(locale) {
        let _ = CHOSEN.set(language);
    }
}

/// That of a language and country, or else that of the language.
fn of(locale: &str) -> Option<&'static dyn Language> {
    let place = locale.split(['.', '@']).next()?;
    let language = place.split('_').next()?;
    let named = |wanted: &str| LANGUAGES.iter().find(|(name, _)| *name == wanted);
    let (_, language) = named(place).or_else(|| named(language))?;
    Some(*language)
}

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

        #[cfg(debug_assertions)]
        impl $section for super::Bracketed {
            $(
                fn $name(&self, $($argument: argument!($($type)?)),*) -> String {
                    format!("⟦{}⟧", $section::$name(&$language, $($argument),*))
                }
            )*
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_names_a_language_and_perhaps_a_country() {
        for locale in ["en", "en_GB", "en_GB.UTF-8", "en_US@euro", "en.UTF-8"] {
            let language = of(locale).expect(locale);
            assert_eq!(language.usage_options(), "Options:", "{locale}");
        }
        for locale in ["", "C", "C.UTF-8", "POSIX", "xx_YY", "english", "EN"] {
            assert!(of(locale).is_none(), "{locale}");
        }
        assert_eq!(of("en_XA.UTF-8").unwrap().usage_options(), "⟦Options:⟧");
    }

    #[test]
    fn a_second_language_says_every_part_and_is_chosen_by_its_line_alone() {
        let (_, second) = LANGUAGES.iter().find(|(name, _)| *name == "en_XA").unwrap();
        let texts = [
            second.usage_heading(),
            second.no_network("x"),
            second.waiting_for_any_token(),
            second.secret_prompt(&second.secret_admin_pin(), &7, 3),
            second.about_token(),
            second.problems_found(2),
            second.status_up(),
            second.bad_time(),
            second.help_up(),
            second.manual_agent(),
            second.nobody_may_come_in(),
            second.gateway_help_about(),
        ];
        for text in texts {
            assert!(text.starts_with('⟦') && text.ends_with('⟧'), "{text}");
        }
        let admin = second.secret_prompt(&second.secret_admin_pin(), &7, 3);
        assert_eq!(admin, "⟦⟦Admin PIN⟧ for 7, 3 tries left: ⟧");
    }

    /// One alone in a `translated!` of its own, without a word of the other's.
    #[test]
    fn a_part_is_said_in_another_language_by_the_same_names() {
        struct German;
        trait Greeting: Sync {
            fn tries_left(&self, name: argument!(), left: argument!(u8)) -> String;
        }
        translated! { Greeting in German;
            tries_left(name, left: u8) = {
                match left {
                    1 => format!("{name}: noch ein Versuch"),
                    left => format!("{name}: noch {left} Versuche"),
                }
            };
        }
        assert_eq!(German.tries_left(&"PIN", 3), "PIN: noch 3 Versuche");
    }

    #[test]
    fn who_chooses_nothing_is_spoken_to_in_english() {
        assert_eq!(say().usage_default(&7), "[default: 7]");
    }
}
