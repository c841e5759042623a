//! One attempt to connect.

use concilium_core::{MemberId, wire};
use futures_util::{SinkExt, StreamExt};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::http::{StatusCode, Uri};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::{ClientConfig, ConnectError, Disconnect, connector};
use crate::CloseReason;
use crate::link::{self, Ended, Io, Socket};
use crate::protocol::{
    ClientMessage, Incoming, MAX_MESSAGE_BYTES, PROTOCOL, ResumeToken, ServerMessage, read,
};

/// Where to connect to, taken apart and ready.
pub(super) struct Target {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Target {
    pub(super) fn new(config: &ClientConfig) -> Result<Self, ConnectError> {
        let bad = || ConnectError::Url(config.url.clone());
        let uri: Uri = config.url.parse().map_err(|_| bad())?;
        // An IPv6 address stands in brackets in a URL, and nowhere else.
        let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned();
        let (default_port, secure) = match uri.scheme_str() {
            Some("ws") => (80, false),
            Some("wss") => (443, true),
            _ => return Err(bad()),
        };
        let tls = if secure {
            let name = ServerName::try_from(host.clone()).map_err(|_| bad())?;
            Some((connector(config)?, name))
        } else {
            None
        };
        Ok(Self {
            port: uri.port_u16().unwrap_or(default_port),
            uri,
            host,
            tls,
        })
    }

    /// Connects, says hello, and waits for the welcome: the socket, and the longest packet that the relay
    /// takes.
    pub(super) async fn dial(
        &self,
        member: &MemberId,
        token: &ResumeToken,
    ) -> Result<(Socket, usize), Disconnect> {
        let lost = |error: std::io::Error| Disconnect::Lost(error.to_string());
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(lost)?;
        // Packets are small and people wait for them.
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Io> = match &self.tls {
            Some((tls, name)) => Box::new(tls.connect(name.clone(), stream).await.map_err(lost)?),
            None => Box::new(stream),
        };
        let config = link::web_socket_config(MAX_MESSAGE_BYTES);
        let (mut socket, _) = client_async_with_config(self.uri.clone(), stream, Some(config))
            .await
            .map_err(of_handshake)?;
        let hello = ClientMessage::Hello {
            protocol: PROTOCOL,
            member: member.clone(),
            token: token.clone(),
        };
        socket
            .send(Message::Binary(Bytes::from(wire::encode(&hello))))
            .await
            .map_err(|error| Disconnect::from(Ended::from(error)))?;
        match welcome(&mut socket).await {
            Ok(max_packet_bytes) => Ok((socket, max_packet_bytes)),
            Err(disconnect) => {
                link::close(Some(socket), &Ended::ByUs(CloseReason::Done)).await;
                Err(disconnect)
            }
        }
    }
}

async fn welcome(socket: &mut Socket) -> Result<usize, Disconnect> {
    match socket.next().await {
        None => Err(Disconnect::Lost("the connection ended".to_owned())),
        Some(Err(error)) => Err(Ended::from(error).into()),
        Some(Ok(Message::Close(frame))) => {
            let code = frame.map_or(1005, |frame| frame.code.into());
            Err(Disconnect::Closed(CloseReason::from_code(code)))
        }
        Some(Ok(Message::Binary(bytes))) => match read(&bytes) {
            Incoming::Known(ServerMessage::Welcome { max_packet_bytes }) => {
                Ok(usize::try_from(max_packet_bytes).unwrap_or(usize::MAX))
            }
            _ => Err(Disconnect::NotRelay("its first message is no welcome".to_owned())),
        },
        Some(Ok(_)) => Err(Disconnect::NotRelay(
            "its first message is not a binary one".to_owned(),
        )),
    }
}

fn of_handshake(error: Error) -> Disconnect {
    match error {
        Error::Http(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => Disconnect::Busy,
        Error::Io(error) => Disconnect::Lost(error.to_string()),
        other => Disconnect::NotRelay(other.to_string()),
    }
}

impl From<Ended> for Disconnect {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::ByPeer(reason) => Self::Closed(reason),
            Ended::ByUs(CloseReason::Silent) => Self::Timeout,
            Ended::ByUs(reason) => Self::NotRelay(reason.to_string()),
            Ended::Lost(why) => Self::Lost(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, ConnectError> {
        Target::new(&ClientConfig::new(url, MemberId::new("a").unwrap()))
    }

    #[test]
    fn urls_are_taken_apart_or_refused_by_name() {
        let plain = target("ws://localhost").unwrap();
        assert_eq!((plain.host.as_str(), plain.port), ("localhost", 80));
        assert!(plain.tls.is_none());
        let v6 = target("wss://[::1]:7000/path").unwrap();
        assert_eq!((v6.host.as_str(), v6.port), ("::1", 7000));
        assert!(v6.tls.is_some());
        for bad in [
            "",
            "localhost:80",
            "http://localhost",
            "ws://",
            "ws:///x",
            "wss://[::1",
        ] {
            let error = target(bad).err().unwrap();
            assert!(matches!(error, ConnectError::Url(_)), "{bad}");
        }
    }
}
