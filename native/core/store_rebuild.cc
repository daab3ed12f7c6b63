// Store: queues and index are moved out of the store and made again from the log.
//
// A crash or a power cut at any moment leaves a store that opens and has every message and number, because of the
// order:
//   1. the log is read whole, its bodies' CRCs too. Where it is damaged nothing has been changed yet.
//   2. what the log alone can't tell is on disk: the numbers that queues reached whose messages are all gone (the
//   table,
//      which goes with no position, so that it vouches for nothing else).
//   3. the position and Java's checkpoint say that queues and index hold nothing. From here on whoever opens makes both
//      from the whole log, whatever of them lies there: millrace by the position, Java by the times.
//   4. the queues go before the index: Java makes an index for what it puts into queues, and for nothing else.
//   5. where the folders went is on disk before anything is made anew.
// The checkpoint at the end of the opening says that all is there again.
#include "store.h"

namespace millrace {

namespace {
constexpr int64_t kNoPosition = -1;
}

Status Store::CheckAside() const {
  FileInfo info;
  bool exists = false;
  MILLRACE_RETURN_IF_ERROR(files_->Stat(options_.aside, &info, &exists));
  if (!exists) return Status::Ok();
  return Status::Error(Code::kInvalidArgument, "is there already: the old queues need a folder of their own",
                       options_.aside);
}

Status Store::SetAside(Recovery* recovery, QueueTable table, Checkpoint checkpoint, bool has_position) {
  MILLRACE_RETURN_IF_ERROR(recovery->NoteNumbers(&table));
  if (!has_position) {
    MILLRACE_RETURN_IF_ERROR(log_.Sync(0, std::max<int64_t>(report_.end, 1)));
    position_.SyncedTo(report_.end);
  }
  table.dispatched = kNoPosition;
  MILLRACE_RETURN_IF_ERROR(WriteQueueTable(files_, paths_, table));
  checkpoint.logics_ms = checkpoint.index_ms = 0;
  MILLRACE_RETURN_IF_ERROR(position_.WriteCheckpoint(checkpoint, 0, false));

  queues_.descriptors().Clear();
  MILLRACE_RETURN_IF_ERROR(MakeFolders(files_, options_.aside));
  // The queues' extensions mean nothing without their units.
  for (const auto& path : {paths_.queues, paths_.extensions, paths_.index}) {
    if (path == paths_.index && !index_.enabled()) continue;
    FileInfo info;
    bool exists = false;
    MILLRACE_RETURN_IF_ERROR(files_->Stat(path, &info, &exists));
    if (!exists) continue;
    const Status status = files_->Rename(path, options_.aside + path.substr(path.rfind('/')));
    if (status.ok()) continue;
    (void)files_->RemoveDirectory(options_.aside);  // unless something is in it
    return status;
  }
  bool made = false;
  MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, paths_.queues, true, &made));
  if (queues_.options().extension_bytes > 0)
    MILLRACE_RETURN_IF_ERROR(CheckFolder(files_, paths_.extensions, true, &made));
  MILLRACE_RETURN_IF_ERROR(files_->SyncDirectory(options_.aside));
  MILLRACE_RETURN_IF_ERROR(files_->SyncDirectory(paths_.root));
  report_.changed = true;
  return recovery->Forget(std::move(table));
}

}  // namespace millrace
