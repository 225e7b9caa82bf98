// SPDX-License-Identifier: BSD-2-Clause-Patent
// Payload memory that the firmware still has in use. A kernel that is linked to an address (a
// vmlinux at 16 MiB) need not find it free as long as there are boot services, only afterwards: so
// it is made elsewhere, and copied once nobody is left whose memory it is. Not before the stub is
// entered, since the firmware's page tables and stack may lie there too: what copies (efi/move.asm)
// stands between the stub and the payload's entry.
#pragma once

#include "boot/hand_over/header.h"
#include "efi/pages.h"
#include "efi/problem.h"
#include "efi/text.h"
#include "elf/image.h"

namespace vestibule::efi {

class Moves {
  public:
    /// Takes memory in which that at `address`, a page's, can be made. False where there is too
    /// little, or where that at `address` is not RAM that is free when boot services have ended.
    bool add(u64 address, u64 bytes);

    /// Where what is to lie at an address is made: elsewhere, or there.
    [[nodiscard]] u8* now_at(u64 address) const;

    /// Puts the copying in front of the record's entry, which is final but for that.
    Problem place(boot::PayloadHeader& header);

    /// Nothing may lie there then that is still needed: memory of ours, whatever its type.
    [[nodiscard]] bool leave_alone(Extent own) const;

    /// With the last memory map: whether the firmware keeps nothing there.
    [[nodiscard]] bool are_free(Bytes map, u64 stride) const;

    [[nodiscard]] bool are_there() const { return count_ != 0; }

  private:
    static constexpr u32 most        = elf::Image::max_segments;
    static constexpr u32 most_pieces = 64;

    u32 count_ = 0;
    Extent to_[most]{};
    Pages from_[most];
    u32 piece_count_ = 0;
    Pages pieces_[most_pieces]; // of `to_`, so that nobody else gets what is free there
    Pages code_;
};

} // namespace vestibule::efi
