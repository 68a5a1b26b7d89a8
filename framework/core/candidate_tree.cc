#include "core/candidate_tree.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <iterator>
#include <ranges>

namespace trellis {

std::optional<std::uint32_t> root_number(std::string_view text) noexcept {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

CandidateTree::CandidateTree(const Candidate& root, const TreeLimits& limits) : limits_(limits) {
  nodes_.reserve(kUsualNodes);
  nodes_.emplace_back(root);
}

const char* CandidateTree::full(NodeIndex parent, const Candidate& candidate) const noexcept {
  if (nodes_[parent].children.size() >= limits_.children) return "more children than a node may have";
  if (nodes_.size() >= limits_.nodes) return "more nodes than the tree may have";
  if (candidate.concrete() && leaves_ >= limits_.leaves) return "more candidates than the policy allows";
  return nullptr;
}

NodeIndex CandidateTree::last_waiting(NodeIndex parent) const noexcept {
  const auto backwards = std::views::reverse(nodes_[parent].children);
  const auto last =
      std::ranges::find_if(backwards, [&](NodeIndex i) { return nodes_[i].state == Child::State::waiting; });
  return last != backwards.end() ? *last : kNoNode;
}

std::size_t CandidateTree::waiting_leaves(NodeIndex parent) const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(nodes_[parent].children, [&](NodeIndex i) {
    return nodes_[i].state == Child::State::waiting && nodes_[i].candidate.concrete();
  }));
}

NodeIndex CandidateTree::worse(NodeIndex parent, const Candidate& candidate, std::int64_t rank) const noexcept {
  if (nodes_.size() >= limits_.nodes) return kNoNode;  // numbers are never given twice
  const NodeIndex sibling = last_waiting(parent);
  const bool alike = sibling != kNoNode && nodes_[sibling].candidate.concrete() == candidate.concrete();
  if (alike && nodes_[sibling].rank > rank) return sibling;
  if (nodes_[parent].children.size() >= limits_.children || !candidate.concrete()) return kNoNode;
  NodeIndex most = kNoNode;
  std::size_t leaves = waiting_leaves(parent) + 1;
  for (NodeIndex i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].children.empty() || waiting_leaves(i) <= leaves) continue;
    leaves = waiting_leaves(i);
    most = i;
  }
  return most == kNoNode ? kNoNode : last_waiting(most);
}

NodeIndex CandidateTree::add(NodeIndex parent, Branch branch, const Candidate& candidate, std::int64_t rank) {
  assert((!nodes_[parent].branch || *nodes_[parent].branch == branch) && "a parent branches in one way");
  if (full(parent, candidate) != nullptr) return kNoNode;
  if (candidate.concrete()) ++leaves_;
  const auto index = static_cast<NodeIndex>(nodes_.size());
  CandidateNode& above = nodes_[parent];
  above.branch = branch;
  const std::uint32_t number = ++above.numbered;
  nodes_.emplace_back(candidate, parent, number, rank).rtts_left = candidate.rtts;
  place(parent, index);
  return index;
}

// In front of the first child that waits and has a higher rank: what has started keeps its place.
void CandidateTree::place(NodeIndex parent, NodeIndex child) {
  NodeList& children = nodes_[parent].children;
  if (children.empty()) return children.push_back(child);
  const auto later = [&](NodeIndex other) {
    return nodes_[other].state == Child::State::waiting && nodes_[other].rank > nodes_[child].rank;
  };
  children.insert(std::ranges::find_if(children, later), child);
}

bool CandidateTree::rerank(NodeIndex child, std::int64_t rank) {
  CandidateNode& node = nodes_[child];
  if (node.state != Child::State::waiting || node.rank == rank) return false;
  node.rank = rank;
  std::erase(nodes_[node.parent].children, child);
  place(node.parent, child);
  return true;
}

bool CandidateTree::remove(NodeIndex child) {
  if (nodes_[child].state != Child::State::waiting) return false;
  if (nodes_[child].candidate.concrete()) --leaves_;
  std::erase(nodes_[nodes_[child].parent].children, child);
  nodes_[child].state = Child::State::canceled;
  return true;
}

NodeIndex CandidateTree::child(NodeIndex parent, ChildId number) const noexcept {
  for (const NodeIndex i : nodes_[parent].children) {
    if (nodes_[i].number == number) return i;
  }
  return kNoNode;
}

std::string CandidateTree::name(NodeIndex i) const {
  char text[64];  // from behind; four levels of ten digits
  char* at = std::end(text);
  for (; i != kNoNode; i = nodes_[i].parent) {
    if (at != std::end(text)) *--at = '.';
    std::uint32_t number = nodes_[i].number;
    for (; number > 9; number /= 10) *--at = static_cast<char>('0' + number % 10);
    *--at = static_cast<char>('0' + number);
  }
  return {at, std::end(text)};
}

}  // namespace trellis
