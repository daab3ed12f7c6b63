// Store: messages that enter further queues (multi-dispatch, and LMQ's light queues among them). A record lies in the
// log once; each of the queues gets a unit, and the record says in INNER_MULTI_QUEUE_OFFSET which number it has in
// each.
#include <charconv>

#include "store.h"

namespace millrace {

void AppendBuffer::Clear() {
  prepared.clear();
  placements.clear();
  hashes.clear();
  sides.clear();
}

void AppendBuffer::Drop(size_t n) {
  const size_t from = n == 0 ? 0 : prepared[n - 1].hashes_end, to = prepared[n].hashes_end;
  hashes.erase(hashes.begin() + static_cast<ptrdiff_t>(from), hashes.begin() + static_cast<ptrdiff_t>(to));
  prepared.erase(prepared.begin() + static_cast<ptrdiff_t>(n));
  placements.erase(placements.begin() + static_cast<ptrdiff_t>(n));
  for (; n < prepared.size(); n++) prepared[n].hashes_end -= to - from;
}

// False when a name can't be a queue's. Without a target it enters its own queue alone.
bool Store::PrepareSides(const MessageFields& message, const KnownProperties& known, SideDispatch* side) const {
  const auto named = rules_.NamedQueues(known.multi_dispatch, message.queue_id);
  for (const auto& queue : named)
    if (!IsTopicName(queue.topic, kMaxTopicBytes)) return false;
  for (const auto& queue : named) side->targets.push_back({queue.topic, queue.queue_id, nullptr, 0});
  side->tag_code = known.tags.empty() ? 0 : JavaHash(known.tags);
  side->properties = MultiDispatchProperties(message.properties);
  side->fields = message;
  side->fields.properties = side->properties;
  return true;
}

// Of all that was accepted: a refused message leaves no queue.
void Store::MakeSideQueues(AppendBuffer* buffer) {
  for (AppendBuffer::Prepared& prepared : buffer->prepared) {
    if (prepared.side < 0) continue;
    SideDispatch& side = buffer->sides[static_cast<size_t>(prepared.side)];
    prepared.fields = &side.fields;
    for (SideDispatch::Target& target : side.targets) target.queue = queues_.GetOrMake(target.topic, target.queue_id);
  }
}

// The offsets of message `n`, which with them may have become too large. The queues' own come last: one that is named
// twice, or is the message's own, gives one number.
Code Store::NumberSides(AppendBuffer* buffer, size_t n) const {
  AppendBuffer::Prepared& prepared = buffer->prepared[n];
  SideDispatch& side = buffer->sides[static_cast<size_t>(prepared.side)];
  for (SideDispatch::Target& target : side.targets) {
    target.queue_offset = target.queue->next_offset();
    if (&target != side.targets.data()) side.properties.push_back(',');
    char digits[20];
    side.properties.append(digits, std::to_chars(digits, digits + sizeof digits, target.queue_offset).ptr);
  }
  side.fields.properties = side.properties;
  prepared.sizes = SizesOf(side.fields);
  buffer->placements[n].size = prepared.sizes.total;
  const Code refused = CheckSizes(side.fields, prepared.sizes);
  if (refused == Code::kOk)
    for (const SideDispatch::Target& target : side.targets) target.queue->set_next_offset(target.queue_offset + 1);
  return refused;
}

Status Store::ReserveSides(const AppendBuffer& buffer) {
  for (const SideDispatch& side : buffer.sides)
    for (const SideDispatch::Target& target : side.targets)
      MILLRACE_RETURN_IF_ERROR(target.queue->Prepare(target.queue->next_offset() - target.queue->max_offset()));
  return Status::Ok();
}

void Store::TakeSideNumbersBack(const AppendBuffer& buffer) {
  for (const SideDispatch& side : buffer.sides)
    for (const SideDispatch::Target& target : side.targets) target.queue->set_next_offset(target.queue->max_offset());
}

void Store::PutSides(const SideDispatch& side, int64_t log_offset, int32_t size) {
  for (const SideDispatch::Target& target : side.targets)
    if (target.queue->max_offset() <= target.queue_offset) target.queue->Put({log_offset, size, side.tag_code});
}

}  // namespace millrace
