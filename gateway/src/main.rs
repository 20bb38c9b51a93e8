//! tokenvpn-gateway, the program.

#![forbid(unsafe_code)]

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Wipes all memory that is given back: the second layer, for copies that no type of ours
/// wipes. Packets cost nothing, as nothing is allocated for them.
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    tokenvpn_gateway::main()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::hint::black_box;
    use std::os::unix::fs::FileExt as _;

    #[test]
    fn memory_that_is_given_back_is_wiped() {
        let secret = black_box(vec![0xA7u8; 4096]);
        let address = secret.as_ptr().addr() as u64;
        let memory = File::open("/proc/self/mem").unwrap();
        let mut bytes = [0; 4096];
        memory.read_exact_at(&mut bytes, address).unwrap();
        assert_eq!(bytes, [0xA7; 4096]);
        drop(secret);
        // Others may have got some of it meanwhile.
        memory.read_exact_at(&mut bytes, address).unwrap();
        let left = bytes.iter().filter(|byte| **byte == 0xA7).count();
        assert!(left < 256, "{left} bytes are left");
    }
}
