//! Linux with the WireGuard module of its own, in QEMU, whatever kernel the tests run on.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use tokenvpn_common::key::{PresharedKey, PrivateKey, PublicKey};

use crate::{
    host::Host,
    process::Process,
    programs,
    wait::{self, now},
};

/// The host's end of the link, and the way out for the kernel.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);
/// The kernel's address at first.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 10);
/// Its network.
pub const NETWORK: &str = "192.168.100.0/24";

/// Where its shell listens, on the link to its host.
const SHELL: u16 = 999;
/// How long it may take to boot without KVM on a busy machine.
const BOOT: Duration = Duration::from_secs(120);
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A booted kernel. It goes with its host.
#[derive(Debug)]
pub struct Kernel {
    host: Host,
    address: IpAddr,
    process: Process,
    /// From the start of QEMU to the first command.
    pub boot: Duration,
}

impl Kernel {
    /// Boots it behind `host`, which becomes its router.
    ///
    /// # Panics
    /// If it does not come up, or was not built (`contrib/test --all` builds it).
    #[track_caller]
    pub fn boot(host: &Host) -> Kernel {
        host.ip("tuntap add kernel mode tap");
        host.ip(&format!("address add {ROUTER}/24 dev kernel"));
        host.ip("link set kernel up");
        host.set_forwarding(true);
        let directory = programs::kernel();
        let line = format!(
            "console=ttyS0 quiet panic=-1 random.trust_cpu=on address={ADDRESS}/24 gateway={ROUTER}"
        );
        let start = now();
        let process = host
            .run("qemu-system-x86_64")
            .args(["-nodefaults", "-no-reboot", "-display", "none"])
            .args(["-accel", "tcg", "-cpu", "max", "-m", "256"])
            .args(["-serial", "stdio"])
            .args([
                "-netdev",
                "tap,id=link,ifname=kernel,script=no,downscript=no",
            ])
            .args(["-device", "virtio-net-pci,netdev=link"])
            .args(["-append", &line, "-kernel"])
            .arg(directory.join("vmlinuz"))
            .arg("-initrd")
            .arg(directory.join("initramfs.gz"))
            .spawn();
        wait::until("the kernel boots", BOOT, || {
            assert!(process.is_running(), "{}", process.report());
            let said = process.stdout().all();
            said.contains("ready on ").then_some(())
        });
        let shell = SocketAddr::new(ADDRESS.into(), SHELL);
        wait::until_true("its shell listens", BOOT, || {
            host.within(|| TcpStream::connect_timeout(&shell, PATIENCE).is_ok())
        });
        let mut kernel = Kernel {
            host: host.clone(),
            address: ADDRESS.into(),
            process,
            boot: Duration::ZERO,
        };
        kernel.run("ip link add wg0 type wireguard");
        kernel.boot = now().since(start);
        kernel
    }

    /// Runs shell commands and gives back what they print; the first that fails ends them.
    ///
    /// # Panics
    /// If one fails.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        match self.try_run(script) {
            (output, true) => output,
            (output, false) => panic!("`{script}` failed: {output}\n{}", self.process.report()),
        }
    }

    /// Runs shell commands; what they print, and whether all went well.
    ///
    /// # Panics
    /// If the kernel does not answer.
    #[track_caller]
    pub fn try_run(&self, script: &str) -> (String, bool) {
        const WELL: &str = "\nall went well\n";
        let script = format!("exec 2>&1; set -e\n{script}\necho; echo all went well\n");
        let shell = SocketAddr::new(self.address, SHELL);
        let mut output = String::new();
        self.host.within(|| {
            let mut stream = TcpStream::connect_timeout(&shell, PATIENCE).expect("the shell");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            stream
                .write_all(script.as_bytes())
                .expect("the shell reads");
            stream
                .shutdown(Shutdown::Write)
                .expect("the shell's stdin ends");
            stream.read_to_string(&mut output).expect("the shell ends");
        });
        match output.strip_suffix(WELL) {
            Some(output) => (output.to_owned(), true),
            None => (output, false),
        }
    }

    /// Its address on the link to its host.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Gives it another address on that link, as a computer gets in another network.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn move_to(&mut self, address: Ipv4Addr) {
        let old = self.address;
        // The shell's connection goes over the old one, so both are there for a moment; and with
        // the first of them the kernel would take away the second.
        self.run(&format!(
            "echo 1 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries
             ip address add {address}/24 dev eth0"
        ));
        self.address = address.into();
        self.run(&format!(
            "ip address del {old}/24 dev eth0
             ip route replace default via {ROUTER}"
        ));
    }

    /// Gives the WireGuard link a key, a port (0: any) and an address with prefix length.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn set_up(&self, key: &PrivateKey, port: u16, address: &str) {
        let key = key.expose_text();
        self.run(&format!(
            "echo '{}' > /key; wg set wg0 private-key /key listen-port {port}; rm /key
             ip address add {address} dev wg0; ip link set wg0 mtu 1420 up",
            key.as_str()
        ));
    }

    /// Adds a peer and routes its networks into the tunnel.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn add_peer(
        &self,
        key: PublicKey,
        preshared_key: Option<&PresharedKey>,
        endpoint: Option<SocketAddr>,
        networks: &[&str],
    ) {
        let mut script = String::new();
        let mut words = format!("peer {key} allowed-ips {}", networks.join(","));
        if let Some(preshared_key) = preshared_key {
            script += &format!("echo '{}' > /psk\n", preshared_key.expose_text().as_str());
            words += " preshared-key /psk";
        }
        if let Some(endpoint) = endpoint {
            words += &format!(" endpoint {endpoint}");
        }
        script += &format!("wg set wg0 {words}\nrm -f /psk\n");
        for network in networks {
            script += &format!("ip route add {network} dev wg0 2>/dev/null || true\n");
        }
        self.run(&script);
    }

    /// One of the tables of `wg show wg0`, for its only peer: the word behind the peer's key.
    ///
    /// # Panics
    /// If there is no peer.
    #[track_caller]
    pub fn show(&self, what: &str) -> String {
        let table = self.run(&format!("wg show wg0 {what}"));
        let word = table.split_whitespace().nth(1);
        word.expect("a peer").to_owned()
    }
}
