//! The service extensions that opcard expects from the firmware around it.

use trussed::backend::BackendId;
use trussed_auth_backend::{AuthBackend, FilesystemLayout};
use trussed_core::types::Location;
use trussed_derive::{ExtensionDispatch, ExtensionId};
use trussed_rsa_alloc::SoftwareRsa;
use trussed_staging::StagingBackend;

/// The order in which a request is offered; the first backend that knows it answers.
pub const ORDER: &[BackendId<Backend>] = &[
    BackendId::Custom(Backend::Staging),
    BackendId::Custom(Backend::Auth),
    BackendId::Custom(Backend::Rsa),
    BackendId::Core,
];

/// Names the fields of [`Backends`].
#[derive(Debug)]
pub enum Backend {
    /// Large objects in pieces, keys wrapped into files.
    Staging,
    /// PINs and their retry counters.
    Auth,
    /// RSA, which trussed itself does not do.
    Rsa,
}

/// Numbers the extensions on the wire between client and service.
#[derive(Debug, ExtensionId)]
pub enum Extension {
    /// Objects larger than one message.
    Chunked = 0,
    /// Keys encrypted under a PIN-derived key.
    WrapKeyToFile = 1,
    /// PINs.
    Auth = 2,
}

/// The three backends behind one dispatcher.
#[derive(ExtensionDispatch)]
#[dispatch(backend_id = "Backend", extension_id = "Extension")]
#[extensions(
    Chunked = "trussed_chunked::ChunkedExtension",
    WrapKeyToFile = "trussed_wrap_key_to_file::WrapKeyToFileExtension",
    Auth = "trussed_auth::AuthExtension"
)]
pub struct Backends {
    #[extensions("Chunked", "WrapKeyToFile")]
    staging: StagingBackend,
    #[extensions("Auth")]
    auth: AuthBackend,
    rsa: SoftwareRsa,
}

impl Backends {
    /// Keeps PINs in internal storage, beside everything else that survives a power cycle.
    pub fn new() -> Self {
        Self {
            staging: StagingBackend::new(),
            auth: AuthBackend::new(Location::Internal, FilesystemLayout::V1),
            rsa: SoftwareRsa,
        }
    }
}

impl Default for Backends {
    fn default() -> Self {
        Self::new()
    }
}
