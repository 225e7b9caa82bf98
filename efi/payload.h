// The configuration's payload, in the memory that it wants, with its initrd: all that firmware has
// to give for it, given back if the boot comes to nothing.
#pragma once

#include "boot/hand_over/header.h"
#include "efi/config.h"
#include "efi/pages.h"
#include "efi/volume.h"
#include "elf/image.h"

namespace vestibule::efi {

class Payload {
  public:
    /// Reads and places payload and initrd.
    Problem load(Volume& volume, const Config& config);

    /// Completes the record in the placed stub by which it finds the payload; all but what is known
    /// only once boot services end.
    Problem describe(boot::PayloadHeader& header, Text command_line) const;

    [[nodiscard]] bool is_pvh() const { return pvh_; }

  private:
    Problem read(Text path);
    Problem place(Text path);
    void load_segments() const;
    Problem relocate(Text path) const;

    Pages file_;
    Pages memory_[elf::Image::max_segments]; // of neighbouring segments together
    Pages initrd_;
    Bytes bytes_;
    elf::Image elf_{};
    bool pvh_        = false; // entered as its PVH note says, not with boot info
    u64 entry_       = 0;     // physical, as linked
    u64 bias_        = 0;
    u64 initrd_size_ = 0;
};

} // namespace vestibule::efi
