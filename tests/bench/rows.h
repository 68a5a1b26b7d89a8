// rows.h: every row there is. A new one is declared here and added to the list in main.cc.
#pragma once
#include "bench.h"

namespace trellis::bench {

Row tcp_setup();
Row tcp_bulk_cpu();
Row tcp_bulk_rate();
Row tcp_pingpong();
Row udp_rate();
Row dns_answer();
Row dns_cached();
Row accept_rate();
Row idle_memory();
Row layer_cost();
Row start_up();
Row policy_load();
Row race_million();
Row race_tree();
Row race_healthy();
Row history_memory();
Row history_sqlite();
Row history_broken();
Row tls_record();
Row tls_handshakes();
Row tls_resumptions();
Row tls_first_byte();
Row tls_bulk_cpu();
Row tls_bulk_rate();
Row tls_bulk_botan();
Row tls_idle_memory();
Row tcpls_bulk_cpu();
Row tcpls_bulk_rate();
Row tcpls_bare_cpu();
Row tcpls_bare_rate();
Row tcpls_streams();
Row tcpls_join();
Row tcpls_reset_pause();
Row tcpls_black_hole_pause();
Row tcpls_paths();
Row quic_bulk_cpu();
Row quic_bulk_rate();
Row quic_bulk_tcp();
Row quic_handshakes();
Row quic_datagrams();
Row quic_streams();
Row quic_early_data();
Row quic_idle_memory();
Row quic_slow_reader();
Row sctp_bulk_cpu();
Row sctp_bulk_rate();
Row sctp_bulk_threaded();
Row sctp_path();
Row sctp_setup();
Row sctp_streams();
Row paths_listed();
Row interfaces_listed();
Row netlab_round_trip();
Row netlab_rate();
Row netlab_parallel_round_trip();
Row netlab_parallel_rate();

/// What the child process of start_up() runs instead of main().
int probe_start_up();
inline constexpr char kProbeStartUp[] = "--probe-start-up";

}  // namespace trellis::bench
