//! The relay and its client over real sockets, on the loopback interface only. Nothing here sleeps to be in
//! time: tests wait for events, with a limit that only a hang reaches.

#[cfg(test)]
mod channel;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod reconnect;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
