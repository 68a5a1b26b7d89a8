// sim_resolver.h: name servers of simulated hosts: answers that come late, never, or not at all.
#pragma once
#include <functional>
#include <vector>

#include "trellis/resolver.h"

namespace trellis {

/// What name servers say about the addresses of one family.
struct SimRecords {
  /// What becomes of the question.
  enum class Outcome : std::uint8_t {
    answer,  ///< the addresses come; none is a negative answer
    fail,    ///< an error comes
    ignore,  ///< nothing ever comes
  };
  Outcome outcome = Outcome::answer;    ///< what becomes of it
  Duration after{};                     ///< from the question to the answer or error
  std::vector<Address> addresses = {};  ///< in the order of the answer; the port comes from the query
};

/// What name servers say about one name.
struct SimAnswers {
  SimRecords ipv6;  ///< AAAA
  SimRecords ipv4;  ///< A
};

/// A Resolver in virtual time. Both questions are asked at once.
class SimResolver final : public Resolver {
 public:
  /// What a question on a path is answered with.
  using Zone = std::move_only_function<SimAnswers(const Query&)>;
  std::string_view name() const noexcept override { return "simulated"; }
  /// Answers with this from now on; an empty one fails every question.
  void serve(Zone zone) noexcept { zone_ = std::move(zone); }
  Result<std::unique_ptr<Lookup>> resolve(Executor& executor, const Options&, const Query& query,
                                          AnswerSink& sink) noexcept override;

 private:
  Zone zone_;
};

}  // namespace trellis
