use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rand_core::{OsRng, RngCore};

use super::wire::checksum;
use super::*;
use crate::token::{Content, Label};

/// Xorshift64*: enough to choose what to try.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    fn key(&mut self) -> PrivateKey {
        PrivateKey::from_bytes(self.bytes(32).try_into().unwrap())
    }
}

/// Runs a body with chance, and says on failure how to run it again.
fn with_seeds(rounds: usize, body: impl Fn(&mut Chance)) {
    for _ in 0..rounds {
        let seed = OsRng.next_u64() | 1;
        let tried = catch_unwind(AssertUnwindSafe(|| body(&mut Chance(seed))));
        if let Err(panic) = tried {
            eprintln!("seed {seed:#x}");
            resume_unwind(panic);
        }
    }
}

/// The profile of the worked example in the specification.
fn example() -> Profile {
    Profile {
        name: "traveller".parse().unwrap(),
        serial: 1,
        issued: "2026-11-23T12:00:00Z".parse().unwrap(),
        not_before: None,
        not_after: Some("2027-11-23".parse().unwrap()),
        private_key: PrivateKey::from_bytes([0x11; 32]),
        gateways: vec![Gateway {
            public_key: PrivateKey::from_bytes([0x22; 32]).public(),
            preshared_key: Some(PresharedKey::from_bytes([0x33; 32])),
            endpoints: vec![
                "tokyo.example:51820".parse().unwrap(),
                "203.0.113.5:443".parse().unwrap(),
            ],
        }],
        addresses: vec![
            "10.77.0.7/24".parse().unwrap(),
            "fd77::7/64".parse().unwrap(),
        ],
        allowed_ips: vec!["10.0.0.0/8".parse().unwrap(), "fd77::/48".parse().unwrap()],
        dns: vec!["10.77.0.1".parse().unwrap()],
        mtu: DEFAULT_MTU,
        keepalive: DEFAULT_KEEPALIVE,
    }
}

/// Some profile that keeps the rules.
fn any_profile(chance: &mut Chance) -> Profile {
    let mut profile = example();
    let len = 1 + chance.below(32);
    profile.name = "é".repeat(16)[..len / 2 * 2]
        .parse()
        .unwrap_or_else(|_| "x".parse().unwrap());
    profile.serial = 1.max(chance.next() as u32 >> chance.below(32));
    profile.issued = UnixTime(chance.next() % LAST_SECOND.0);
    profile.not_before = [None, Some(UnixTime(chance.next() % 1000))][chance.below(2)];
    profile.not_after = [None, Some(UnixTime(1000 + chance.next() % 1000))][chance.below(2)];
    profile.private_key = chance.key();
    profile.gateways = (0..1 + chance.below(3))
        .map(|_| Gateway {
            public_key: chance.key().public(),
            preshared_key: [
                None,
                Some(PresharedKey::from_bytes(
                    chance.bytes(32).try_into().unwrap(),
                )),
            ][chance.below(2)]
            .clone(),
            endpoints: (0..1 + chance.below(MAX_ENDPOINTS))
                .map(|at| {
                    let port = 1 + at;
                    let text = match chance.below(3) {
                        0 => format!("192.0.2.{}:{port}", chance.below(256)),
                        1 => format!("[2001:db8::{:x}]:{port}", chance.below(0x10000)),
                        _ => format!("{}.example:{port}", "h".repeat(1 + chance.below(63))),
                    };
                    text.parse().unwrap()
                })
                .collect(),
        })
        .collect();
    let prefix_4 = 1 + chance.below(32);
    let prefix_6 = 1 + chance.below(128);
    profile.addresses = vec![
        format!("10.77.{}.7/{prefix_4}", chance.below(256))
            .parse()
            .unwrap(),
        format!("fd77::{:x}/{prefix_6}", chance.below(0x10000))
            .parse()
            .unwrap(),
    ];
    profile.allowed_ips = (0..1 + chance.below(20))
        .map(|at| {
            let text = match chance.below(2) {
                0 => format!("10.{at}.0.0/{}", 16 + chance.below(17)),
                _ => format!("fd{at:02x}::/{}", 16 + chance.below(113)),
            };
            text.parse().unwrap()
        })
        .collect();
    profile.dns = (0..chance.below(4))
        .map(|at| {
            [format!("10.0.0.{}", at + 1), format!("fd77::{}", at + 1)][chance.below(2)]
                .parse()
                .unwrap()
        })
        .collect();
    profile.mtu = 1280 + chance.below(9000 - 1280 + 1) as u16;
    profile.keepalive = [0, 10 + chance.below(111) as u16][chance.below(2)];
    profile
}

/// The same with a checksum that is right.
fn resealed(bytes: &[u8]) -> Vec<u8> {
    let body = &bytes[..bytes.len() - 4];
    [body, &checksum(body).to_be_bytes()].concat()
}

/// The fields of an object, to be put together differently.
fn fields(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut reader = Reader::new(MAGIC, bytes).unwrap();
    std::iter::from_fn(|| reader.field().unwrap())
        .map(|(tag, value)| (tag, value.to_vec()))
        .collect()
}

fn object(fields: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(MAGIC);
    for (tag, value) in fields {
        writer.field(*tag, value).unwrap();
    }
    writer.finish().to_vec()
}

/// The example with one field's value replaced, added or (`None`) left out.
fn with_field(tag: u8, value: Option<&[u8]>) -> Vec<u8> {
    let mut fields = fields(&example().encode().unwrap());
    fields.retain(|(other, _)| *other != tag);
    fields.extend(value.map(|value| (tag, value.to_vec())));
    fields.sort();
    object(&fields)
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn refused(bytes: &[u8]) -> ProfileError {
    Profile::decode(bytes).expect_err("bytes that are no profile")
}

#[test]
fn every_profile_survives_its_bytes() {
    with_seeds(500, |chance| {
        let profile = any_profile(chance);
        let bytes = profile.encode().unwrap();
        let again = Profile::decode(&bytes).unwrap();
        assert_eq!(again.encode().unwrap(), bytes);
        // No Debug shows the keys, so they are compared by themselves.
        assert_eq!(format!("{again:?}"), format!("{profile:?}"));
        assert_eq!(again.private_key.expose(), profile.private_key.expose());
        for (a, b) in again.gateways.iter().zip(&profile.gateways) {
            let expose = |key: &Option<PresharedKey>| key.as_ref().map(|key| *key.expose());
            assert_eq!(expose(&a.preshared_key), expose(&b.preshared_key));
        }
    });
}

#[test]
fn the_worked_example_is_as_specified_and_fits_every_card() {
    let specification = include_str!("../../../contrib/spec/token-profile.md");
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let blocks: Vec<String> = specification
        .split("```")
        .map(|block| block.split_whitespace().collect())
        .collect();
    let profile = example();
    let bytes = profile.encode().unwrap();
    assert!(bytes.len() <= PORTABLE_ROOM, "{} bytes", bytes.len());
    let label = Label::of(&profile).encode().unwrap();
    for object in [hex(&bytes), hex(&label)] {
        assert!(blocks.contains(&format!("hex{object}")), "{object}");
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    with_seeds(3, |chance| {
        let bytes = any_profile(chance).encode().unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            refused(&flipped);
        }
        for len in 0..bytes.len() {
            refused(&bytes[..len]);
        }
    });
}

#[test]
fn noise_is_refused() {
    with_seeds(2000, |chance| {
        let len = chance.below(300);
        let mut bytes = chance.bytes(len);
        refused(&bytes);
        if len > 8 {
            bytes[..4].copy_from_slice(b"TVP\x01");
            // Hardly any noise has all the fields; what has would have to keep the rules.
            refused(&resealed(&bytes));
        }
    });
}

#[test]
fn a_changed_profile_with_a_right_checksum_is_refused_or_keeps_the_rules() {
    with_seeds(2000, |chance| {
        let mut bytes = any_profile(chance).encode().unwrap().to_vec();
        for _ in 0..1 + chance.below(3) {
            let at = chance.below(bytes.len());
            match chance.below(4) {
                0 => bytes[at] = chance.next() as u8,
                1 => bytes[at] = bytes[at].wrapping_add(1),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, chance.next() as u8),
            }
        }
        if let Ok(profile) = Profile::decode(&resealed(&bytes)) {
            profile.check().unwrap();
            let bytes = profile.encode().unwrap();
            assert_eq!(Profile::decode(&bytes).unwrap().encode().unwrap(), bytes);
        }
    });
}

#[test]
fn empty_foreign_damaged_and_too_new_are_told_apart() {
    let good = example().encode().unwrap();
    let mut newer = good.to_vec();
    newer[3] = 2;
    let mut damaged = good.to_vec();
    damaged[50] ^= 1;
    let told = |bytes: &[u8]| match Content::from(Profile::decode(bytes)) {
        Content::Empty => "empty".to_owned(),
        Content::Foreign => "foreign".to_owned(),
        Content::Damaged { check } => format!("damaged: {check}"),
        Content::TooNew { what } => format!("too new: {what}"),
        Content::Holds(_) => "holds".to_owned(),
    };
    assert_eq!(told(&[]), "empty");
    assert_eq!(told(&[0; 255]), "empty");
    assert_eq!(told(b"https://example.org"), "foreign");
    assert_eq!(told(&Label::of(&example()).encode().unwrap()), "foreign");
    assert_eq!(told(b"TVP"), "damaged: the checksum is wrong");
    assert_eq!(told(&damaged), "damaged: the checksum is wrong");
    assert_eq!(told(&newer), "damaged: the checksum is wrong");
    assert_eq!(
        told(&resealed(&newer)),
        "too new: version 2, this one knows 1"
    );
    assert_eq!(
        told(&with_field(0x8b, Some(b""))),
        "too new: field 0x8b is unknown here"
    );
    assert_eq!(
        told(&with_field(tag::SUITE, Some(&[2]))),
        "too new: cipher suite 2, this one knows 1"
    );
    assert!(told(&with_field(tag::PRIVATE_KEY, None)).starts_with("too new: it holds no private"));
    assert_eq!(told(&good), "holds");
}

#[test]
fn an_unknown_field_that_is_not_critical_is_skipped() {
    let bytes = with_field(0x04, Some(b"hello"));
    let profile = Profile::decode(&bytes).unwrap();
    assert_eq!(profile.encode().unwrap(), example().encode().unwrap());
}

#[test]
fn each_field_comes_once_and_in_order() {
    let fields = fields(&example().encode().unwrap());
    for at in 1..fields.len() {
        let mut repeated = fields.clone();
        repeated.insert(at, fields[at - 1].clone());
        let tag = fields[at - 1].0;
        assert_eq!(refused(&object(&repeated)), ProfileError::Order { tag });
        let mut swapped = fields.clone();
        swapped.swap(at - 1, at);
        assert_eq!(refused(&object(&swapped)), ProfileError::Order { tag });
    }
}

#[test]
fn every_field_that_must_be_there_is_missed() {
    for (tag, field) in [
        (tag::NAME, Field::Name),
        (tag::SERIAL, Field::Serial),
        (tag::ISSUED, Field::Issued),
        (tag::SUITE, Field::Suite),
        (tag::GATEWAYS, Field::Gateways),
        (tag::ADDRESSES, Field::Addresses),
        (tag::ALLOWED_IPS, Field::AllowedIps),
    ] {
        let error = refused(&with_field(tag, None));
        assert_eq!(error, ProfileError::Missing { field });
    }
    for (tag, field) in [
        (tag::GATEWAYS, Field::Gateways),
        (tag::ADDRESSES, Field::Addresses),
        (tag::ALLOWED_IPS, Field::AllowedIps),
    ] {
        let error = refused(&with_field(tag, Some(&[])));
        assert_eq!(error, ProfileError::Missing { field });
    }
}

#[test]
fn a_value_that_is_none_is_refused() {
    let key = PrivateKey::from_bytes([0x22; 32]).public();
    let gateway = |rest: &[u8]| [key.as_bytes(), rest].concat();
    let low_order = [&[0; 32][..], b"\x01\x01a\x00\x01"].concat();
    let cases: &[(u8, &[u8])] = &[
        (tag::NAME, b""),
        (tag::NAME, b"\xff"),
        (tag::NAME, b"a\x1b[2J"),
        (tag::NAME, &[b'a'; 33]),
        (tag::SERIAL, &[0]),
        (tag::SERIAL, &[0, 1]),
        (tag::SERIAL, &[1, 0, 0, 0, 0]),
        (tag::ISSUED, &[1; 9]),
        (tag::SUITE, &[1, 1]),
        (tag::PRIVATE_KEY, &[1; 31]),
        (tag::PRIVATE_KEY, &[1; 33]),
        (tag::GATEWAYS, &low_order),
        (tag::GATEWAYS, &gateway(b"")),
        (tag::GATEWAYS, &gateway(b"\x01\x01a\x00")),
        (tag::GATEWAYS, &gateway(b"\x01\x01a\x00\x00")),
        (tag::GATEWAYS, &gateway(b"\x01\x01A\x00\x01")),
        (tag::GATEWAYS, &gateway(b"\x01\x01-\x00\x01")),
        (tag::GATEWAYS, &gateway(b"\x01\x00\x00\x01")),
        (tag::GATEWAYS, &gateway(b"\x81\x01a\x00\x01")),
        (tag::ADDRESSES, &[33, 10, 0, 0, 1]),
        (tag::ADDRESSES, &[24, 10, 0, 0]),
        (tag::ADDRESSES, &[0xc1; 17]),
        (tag::ALLOWED_IPS, &[8]),
        (tag::ALLOWED_IPS, &[63, 10]),
        (tag::DNS, &[24, 10, 0, 0]),
        (tag::MTU, &[1, 0, 0]),
        (tag::KEEPALIVE, &[0]),
    ];
    for (tag, value) in cases {
        let error = refused(&with_field(*tag, Some(value)));
        assert!(
            matches!(error, ProfileError::Malformed { .. }),
            "{tag:#x} {value:x?}: {error}"
        );
    }
}

#[test]
fn the_limits_hold_for_reading_and_writing() {
    type Spoil = fn(&mut Profile);
    let cases: [(&str, Spoil); _] = [
        ("serial", |p| p.serial = 0),
        ("issued", |p| p.issued.0 = LAST_SECOND.0 + 1),
        ("end", |p| p.not_after = Some(UnixTime(u64::MAX))),
        ("order", |p| p.not_before = Some(LAST_SECOND)),
        ("no gateway", |p| p.gateways.clear()),
        ("twice", |p| p.gateways.push(p.gateways[0].clone())),
        ("own key", |p| {
            p.gateways[0].public_key = p.private_key.public()
        }),
        ("no endpoint", |p| p.gateways[0].endpoints.clear()),
        ("16 endpoints", |p| {
            p.gateways[0].endpoints = (1..=16)
                .map(|port| format!("a.example:{port}").parse().unwrap())
                .collect();
        }),
        ("no address", |p| p.addresses.clear()),
        ("no route", |p| p.allowed_ips.clear()),
        ("low MTU", |p| p.mtu = 1279),
        ("high MTU", |p| p.mtu = 9001),
        ("low keepalive", |p| p.keepalive = 9),
        ("high keepalive", |p| p.keepalive = 121),
        ("host bits", |p| p.allowed_ips = vec![net("10.0.0.1/8")]),
        ("a loopback network", |p| {
            p.allowed_ips = vec![net("127.0.0.0/8")]
        }),
        ("a multicast network", |p| {
            p.allowed_ips = vec![net("ff02::/16")]
        }),
        ("a network twice", |p| {
            p.allowed_ips = vec![net("10.0.0.0/8"); 2]
        }),
        ("an address twice", |p| {
            p.addresses = vec![net("10.0.0.1/8"), net("10.0.0.1/24")]
        }),
        ("prefix 0", |p| p.addresses = vec![net("10.0.0.1/0")]),
    ];
    for (what, spoil) in cases {
        let mut profile = example();
        spoil(&mut profile);
        assert_eq!(
            profile.encode().err(),
            profile.check().err(),
            "writing with {what}"
        );
        assert!(profile.check().is_err(), "{what}");
    }
    for (tag, value) in [
        (tag::MTU, &[0x04, 0xff][..]),
        (tag::KEEPALIVE, &[9]),
        (tag::SERIAL, &[]),
        (tag::NOT_BEFORE, &[0xff; 8]),
        (tag::ADDRESSES, &[8, 127, 0, 0, 1]),
        (tag::ALLOWED_IPS, &[7, 11]),
    ] {
        let error = refused(&with_field(tag, Some(value)));
        assert!(
            !matches!(error, ProfileError::Malformed { .. }),
            "reading {tag:#x} {value:x?}: {error}"
        );
    }
}

#[test]
fn an_address_that_no_other_computer_has_is_refused_everywhere() {
    for ip in [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "127.255.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "255.255.255.255",
        "::",
        "::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
    ] {
        let ip: IpAddr = ip.parse().unwrap();
        let endpoint = Endpoint::Address((ip, 51820).into());
        let expected = ProfileError::Endpoint {
            endpoint: endpoint.clone(),
        };
        assert_eq!(check_endpoints(&[endpoint]), Err(expected));
        let net = IpNet::from(ip);
        for (field, checked) in [
            (Field::Addresses, check_addresses(&[net])),
            (Field::AllowedIps, check_allowed_ips(&[net])),
            (Field::Dns, check_dns(&[ip])),
        ] {
            assert_eq!(checked, Err(ProfileError::Address { field, net }));
        }
    }
    let localhost = ["localhost:1", "a.localhost:1"].map(|text| text.parse().unwrap());
    assert!(check_endpoints(&localhost[..1]).is_err());
    assert!(check_endpoints(&localhost[1..]).is_err());
}

#[test]
fn default_routes_and_their_halves_are_allowed() {
    let nets = [
        "0.0.0.0/0",
        "0.0.0.0/1",
        "128.0.0.0/1",
        "::/0",
        "::/1",
        "8000::/1",
    ];
    let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().unwrap()).collect();
    assert_eq!(check_allowed_ips(&nets), Ok(()));
}

#[test]
fn more_than_any_card_holds_is_not_written() {
    let mut profile = example();
    profile.gateways = (0..40)
        .map(|at| Gateway {
            public_key: PrivateKey::from_bytes([at + 100; 32]).public(),
            preshared_key: None,
            endpoints: (1..=MAX_ENDPOINTS)
                .map(|port| format!("gateway.example:{port}").parse().unwrap())
                .collect(),
        })
        .collect();
    assert_eq!(
        profile.encode().err(),
        Some(ProfileError::TooLong {
            room: wire::MAX_OBJECT
        })
    );
}

#[test]
fn nothing_printed_shows_a_secret() {
    let printed = format!("{:?}", example());
    for secret in ["17, 17", "11111", "51, 51", "33333", "MzMz", "ERER"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn no_list_has_more_entries_than_a_message_about_it() {
    let nets: Vec<IpNet> = (0..=MAX_ENTRIES)
        .map(|n| net(&format!("10.{}.{}.0/24", n >> 8, n & 255)))
        .collect();
    let ips: Vec<_> = nets.iter().map(|net| net.hosts().next().unwrap()).collect();
    let addresses: Vec<_> = ips.iter().copied().map(IpNet::from).collect();
    let most = MAX_ENTRIES;
    assert_eq!(check_allowed_ips(&nets[..most]), Ok(()));
    assert_eq!(check_addresses(&addresses[..most]), Ok(()));
    assert_eq!(check_dns(&ips[..most]), Ok(()));
    let too_many = |field| Err(ProfileError::TooMany { field });
    assert_eq!(check_allowed_ips(&nets), too_many(Field::AllowedIps));
    assert_eq!(check_addresses(&addresses), too_many(Field::Addresses));
    assert_eq!(check_dns(&ips), too_many(Field::Dns));
}
