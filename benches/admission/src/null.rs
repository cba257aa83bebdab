//! A server that knows one answer, over the same TLS: what the load costs by itself is measured against it.

use crate::client::Target;
use crate::review;
use crate::webhook::Authority;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// It serves until the program ends.
pub struct Server {
    pub target: Target,
}

impl Server {
    pub fn start(authority: &Authority) -> Self {
        let (certificate, key, _) = authority.issue();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate that fits its key");
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").expect("a port"));
        let target = Target::new(listener.local_addr().expect("its address"), &authority.pem());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let config = Arc::clone(&config);
                std::thread::spawn(move || serve(stream, config));
            }
        });
        Self { target }
    }
}

/// Answers each request when all of it has come; a broken connection is the end of it.
fn serve(stream: TcpStream, config: Arc<ServerConfig>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut connection = StreamOwned::new(ServerConnection::new(config).ok()?, stream);
    let (answer, mut have, mut piece) = (review::yes(), Vec::new(), vec![0; 16 << 10]);
    loop {
        let end = loop {
            if let Some(end) = have.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = std::str::from_utf8(&have[..end]).ok()?;
                let length =
                    head.lines().find_map(|l| l.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
                if have.len() >= end + 4 + length {
                    break end + 4 + length;
                }
            }
            match connection.read(&mut piece).ok()? {
                0 => return None,
                n => have.extend_from_slice(&piece[..n]),
            }
        };
        have.drain(..end);
        connection.write_all(&answer).ok()?;
        connection.flush().ok()?;
    }
}
