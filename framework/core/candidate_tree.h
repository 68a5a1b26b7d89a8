// candidate_tree.h: everything that could be tried for one Connection, as a tree (RFC 9623 section 4.1).
//
// Nodes are numbered 1, 1.1, 1.2.1 in the order in which they were added, the roots in that of the Connections of a
// framework (1, 2, 3); a number never changes. The order in which
// children are tried is another one: best first, and only children that have not started move.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/recycle.h"
#include "core/shared_endpoint.h"
#include "trellis/path.h"
#include "trellis/racing.h"

namespace trellis {

/// Index of a node in its tree; stable.
using NodeIndex = std::uint32_t;
inline constexpr NodeIndex kRoot = 0;
inline constexpr NodeIndex kNoNode = UINT32_MAX;
inline constexpr std::size_t kUsualNodes =
    6;  // the root, a path, a stack and three addresses: memory for those comes at once

/// What a node stands for; each part may still be open.
struct Candidate {
  SharedEndpoint remote{};     // a name, or an address
  int path = -1;               // index into the ways of the race; -1: any
  int stack = -1;              // index into its stacks; -1: any
  Duration expected{};         // time to ready learnt from history; zero: unknown
  std::uint8_t rtts = 0;       // round trips that its stack needs
  bool failed_before = false;  // history says so; its rank says it too
  bool last_resort = false;    // its address was made from an IPv4 one by NAT64
  bool concrete() const noexcept { return remote->address && path >= 0 && stack >= 0; }  // can be attempted (RACE-13)
};

using NodeList = RecycledVector<NodeIndex>;

struct CandidateNode {
  Candidate candidate = {};
  NodeIndex parent = kNoNode;
  std::uint32_t number = 1;           // within the parent, from 1; its ChildId. Of a root: among all trees
  std::int64_t rank = 0;              // place among its siblings: lower is tried first
  std::optional<Branch> branch = {};  // how it branches; none: a leaf
  NodeList children = {};             // best first
  std::uint32_t numbered = 0;         // children numbered so far
  Child::State state = Child::State::waiting;
  std::uint8_t rtts_left = 0;
  TimePoint started_at{}, answered_at{}, ended_at{};
  std::optional<Error> failure = {};
};

/// What a tree may grow to (RACE-92, RACE-93). What was forgotten again does not count.
struct TreeLimits {
  std::size_t children = 32;  // of one node
  std::size_t nodes = 128;
  std::size_t leaves = 64;  // candidates that can be attempted
};

/// "7" as the number of a root; none: it is not one.
std::optional<std::uint32_t> root_number(std::string_view text) noexcept;

class CandidateTree {
 public:
  CandidateTree(const Candidate& root, const TreeLimits& limits = {});
  /// The limit that keeps the candidate from being added; null: none.
  const char* full(NodeIndex parent, const Candidate& candidate) const noexcept;
  /// A candidate that waits and is worth less than this one would be, where a limit keeps it out: a sibling that is
  /// tried later; or, of leaves, the last of a parent that has more of them waiting. kNoNode: there is none.
  NodeIndex worse(NodeIndex parent, const Candidate& candidate, std::int64_t rank) const noexcept;
  /// Adds a child at its place by rank; kNoNode: a limit is reached. A parent branches in exactly one way.
  NodeIndex add(NodeIndex parent, Branch branch, const Candidate& candidate, std::int64_t rank);
  /// Gives a child that has not started another rank. False: it has started, or that is its rank.
  bool rerank(NodeIndex child, std::int64_t rank);
  /// Forgets a child that has not started (an answer that was withdrawn).
  bool remove(NodeIndex child);

  CandidateNode& operator[](NodeIndex i) noexcept { return nodes_[i]; }
  const CandidateNode& operator[](NodeIndex i) const noexcept { return nodes_[i]; }
  std::size_t size() const noexcept { return nodes_.size(); }
  bool leaf(NodeIndex i) const noexcept { return !nodes_[i].branch; }
  NodeIndex child(NodeIndex parent, ChildId number) const noexcept;  // kNoNode: there is none
  std::string name(NodeIndex i) const;                               // "1.2.1"

 private:
  void place(NodeIndex parent, NodeIndex child);
  NodeIndex last_waiting(NodeIndex parent) const noexcept;
  std::size_t waiting_leaves(NodeIndex parent) const noexcept;
  RecycledVector<CandidateNode> nodes_;
  TreeLimits limits_;
  std::size_t leaves_ = 0;
};

}  // namespace trellis
