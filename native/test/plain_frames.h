// Frames as Java's clients write them, and a store that takes them.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "../wire/send_frames.h"
#include "check.h"
#include "scratch.h"

namespace millrace::test {

using wire::SendFrames;

inline std::string Frame(std::string_view header, std::string_view body, uint32_t type = 0) {
  std::string frame(8, 0);
  frame.append(header).append(body);
  auto* const data = reinterpret_cast<uint8_t*>(frame.data());
  Put32(data, static_cast<uint32_t>(frame.size() - 4));
  Put32(data + 4, type << 24 | static_cast<uint32_t>(header.size()));
  return frame;
}

// As a Java client writes it.
inline std::string Header(std::string_view more = R"("m":"false")",
                          std::string_view properties = R"(UNIQ_KEY\u0001U1\u0002WAIT\u0001true\u0002TAGS\u0001TagA)",
                          std::string_view topic = "orders", int queue = 2, int code = 310, int flag = 0) {
  std::string header = R"({"code":)" + std::to_string(code) + R"(,"extFields":{"a":"PG","b":")" + std::string(topic) +
                       R"(","c":"TBW102","d":"4","e":")" + std::to_string(queue) +
                       R"(","f":"0","g":"1795383671491","h":"7","i":")";
  header.append(properties).append(R"(","j":"1","k":"false","n":"broker-a",)").append(more);
  return header + R"(},"flag":)" + std::to_string(flag) +
         R"(,"language":"JAVA","opaque":8,"serializeTypeCurrentRPC":"JSON","version":409})";
}

// Up to three bytes of it become others, or up to nine go.
inline void Damage(std::mt19937_64& random, std::string* bytes) {
  for (uint64_t changes = random() % 4; changes > 0; changes--) {
    const size_t at = random() % bytes->size();
    if (random() % 3 == 0) {
      bytes->erase(at, 1 + random() % 9);
    } else {
      (*bytes)[at] = static_cast<char>(random());
    }
    if (bytes->empty()) *bytes = "x";
  }
}

struct Broker {
  Scratch scratch;
  std::shared_ptr<Store> store;
  std::unique_ptr<SendFrames> frames;
  SendFrames::Taken taken;
  const Host born = LocalHost();

  explicit Broker(const std::string& cluster = "DefaultCluster", int64_t max_body_bytes = 1000,
                  int64_t segment_bytes = 16384) {
    StoreOptions tiny = TinyOptions(scratch / "store");
    tiny.segment_bytes = segment_bytes;
    CHECK(Store::Open(PosixFileSystem(), tiny, &store).ok());
    wire::SendFramesOptions options;
    options.region_json = R"("DefaultRegion")";
    options.cluster = cluster;
    options.max_body_bytes = max_body_bytes;
    options.version = 409;
    frames = std::make_unique<SendFrames>(store.get(), options);
    frames->SetTopic("orders", 5, 4);
  }
  size_t Take(std::string_view bytes) {
    taken.Clear();
    frames->Take(bytes, born, &taken);
    return taken.bytes;
  }
  RecordView Record(int64_t log_offset) {
    const auto segment = CommitLog::FindIn(*store->log().segments(), log_offset, store->log().segment_bytes());
    return CheckRecord(segment->base() + (log_offset - segment->from()), segment->end() - log_offset, log_offset, true);
  }
};

}  // namespace millrace::test
