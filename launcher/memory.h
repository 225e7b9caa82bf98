// SPDX-License-Identifier: BSD-2-Clause-Patent
// Guest memory: RAM, and pages of the file that lie outside of it, as slots of KVM's.
#pragma once

#include "igvm/format/file_content.h"
#include "launcher/interface.h"

namespace vestibule::launcher {

struct Slot {
    igvm::GpaRange range;
    u8* host;  // on SNP the shared view
    int memfd; // on SNP the private one, otherwise -1
};

class GuestMemory {
  public:
    /// Makes the slots. LaunchError where a page of the content lies beyond the address space.
    GuestMemory(Calls& calls, int vm, const igvm::FileContent& content, u64 memory,
                bool with_private);
    GuestMemory(const GuestMemory&)            = delete;
    GuestMemory& operator=(const GuestMemory&) = delete;
    ~GuestMemory();

    [[nodiscard]] const std::vector<Slot>& slots() const { return slots_; }

    /// Where the host sees guest memory; null where a part of the range is in no slot, or in
    /// another one.
    [[nodiscard]] u8* at(igvm::GpaRange range) const;

    /// Makes a range private or shared, and gives back what backed it before (KVM ABI, section 5).
    /// False where a part of it is no memory.
    bool convert(igvm::GpaRange range, bool to_private);

  private:
    [[nodiscard]] const Slot* slot_of(igvm::GpaRange range) const;

    Calls& calls_;
    int vm_;
    std::vector<Slot> slots_;
};

} // namespace vestibule::launcher
