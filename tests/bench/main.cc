// main.cc: trellis-bench, the framework against plain C. `tests/run bench` builds and starts it.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench.h"
#include "core/nearest.h"
#include "report.h"
#include "rows.h"

namespace trellis::bench {
namespace {

constexpr char kHelp[] =
    R"(Usage: trellis-bench [ROW…] [--json] [--pairs N]
       trellis-bench --list

Measures the framework against plain C code that does the same work, and compares the ratio with a target. A row
without such a baseline has a fixed limit in its place. Each number is the median of several measurements, taken in
turns with the baseline's, each in a process of its own that is pinned to one processor. Progress goes to standard
error.

  ROW          measure these rows only; see --list
  --json       one JSON object a line: name, ratio, target, better, pass, ours, baseline, unit
               (a row without a baseline has its limit there, and a target of 1)
  --pairs N    measure at least N pairs for each row; least: 5
  --list       names, targets and meanings of all rows

The exit code is 0 when every row has reached its target, 1 when one has not, 2 when the command line is wrong.
)";
constexpr int kMissed = 1;
constexpr int kUsage = 2;

struct Wishes {
  std::vector<std::string_view> names;
  int pairs = kPairsMin;
  bool json = false, list = false, help = false;
};

std::vector<Row> all_rows() {
  return {tcp_setup(),
          tcp_bulk_cpu(),
          tcp_bulk_rate(),
          tcp_pingpong(),
          udp_rate(),
          dns_answer(),
          dns_cached(),
          accept_rate(),
          idle_memory(),
          layer_cost(),
          start_up(),
          policy_load(),
          race_million(),
          race_tree(),
          race_healthy(),
          history_memory(),
          history_sqlite(),
          history_broken(),
          tls_record(),
          tls_handshakes(),
          tls_resumptions(),
          tls_first_byte(),
          tls_bulk_cpu(),
          tls_bulk_rate(),
          tls_bulk_botan(),
          tls_idle_memory(),
          tcpls_bulk_cpu(),
          tcpls_bulk_rate(),
          tcpls_bare_cpu(),
          tcpls_bare_rate(),
          tcpls_streams(),
          tcpls_join(),
          tcpls_reset_pause(),
          tcpls_black_hole_pause(),
          tcpls_paths(),
          quic_bulk_cpu(),
          quic_bulk_rate(),
          quic_bulk_tcp(),
          quic_handshakes(),
          quic_datagrams(),
          quic_streams(),
          quic_early_data(),
          quic_idle_memory(),
          quic_slow_reader(),
          sctp_bulk_cpu(),
          sctp_bulk_rate(),
          sctp_bulk_threaded(),
          sctp_path(),
          sctp_setup(),
          sctp_streams(),
          paths_listed(),
          interfaces_listed(),
          netlab_round_trip(),
          netlab_rate(),
          netlab_parallel_round_trip(),
          netlab_parallel_rate()};
}

int complain(const std::string& what) {
  std::fprintf(stderr, "trellis-bench: %s\n", what.c_str());
  return kUsage;
}

bool parse_pairs(std::string_view text, int& pairs) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pairs);
  return error == std::errc() && end == text.data() + text.size() && pairs >= kPairsMin;
}

// An empty text: all is well.
std::string parse(std::span<char*> words, std::span<const std::string_view> known, Wishes& wishes) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--json") {
      wishes.json = true;
    } else if (word == "--list") {
      wishes.list = true;
    } else if (word == "--help" || word == "-h") {
      wishes.help = true;
    } else if (word == "--pairs") {
      if (++i == words.size() || !parse_pairs(words[i], wishes.pairs)) {
        return "--pairs: expected a number, at least " + std::to_string(kPairsMin);
      }
    } else if (word.starts_with("-")) {
      return "unknown option '" + std::string(word) + "': see --help";
    } else if (std::ranges::find(known, word) == known.end()) {
      return "unknown row '" + std::string(word) + "': " + expected_one_of(word, known);
    } else {
      wishes.names.push_back(word);
    }
  }
  return {};
}

bool measure_and_report(const Row& row, const Wishes& wishes) {
  const Outcome outcome = measure(row, std::max(row.pairs, wishes.pairs));
  std::puts((wishes.json ? as_json(row, outcome) : as_text(row, outcome)).c_str());
  std::fflush(stdout);
  return outcome.pass;
}

int run(std::span<char*> words) {
  const std::vector<Row> rows = all_rows();
  std::vector<std::string_view> known;
  for (const Row& row : rows) known.push_back(row.name);
  Wishes wishes;
  if (const std::string wrong = parse(words, known, wishes); !wrong.empty()) return complain(wrong);
  if (wishes.help) return std::fputs(kHelp, stdout) < 0 ? kMissed : 0;
  bool pass = true;
  for (const Row& row : rows) {
    if (!wishes.names.empty() && std::ranges::find(wishes.names, row.name) == wishes.names.end()) continue;
    if (wishes.list) {
      std::puts(as_list_entry(row).c_str());
    } else {
      pass = measure_and_report(row, wishes) && pass;
    }
  }
  return pass ? 0 : kMissed;
}

}  // namespace
}  // namespace trellis::bench

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], trellis::bench::kProbeStartUp) == 0) return trellis::bench::probe_start_up();
  return trellis::bench::run(std::span(argv + 1, argv + std::max(argc, 1)));
}
