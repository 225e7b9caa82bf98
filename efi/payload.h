// SPDX-License-Identifier: BSD-2-Clause-Patent
// The configuration's payload, in the memory that it wants, with its initrd: all that firmware has
// to give for it, given back if the boot comes to nothing.
#pragma once

#include "boot/hand_over/header.h"
#include "efi/config.h"
#include "efi/moves.h"
#include "efi/pages.h"
#include "efi/volume.h"
#include "elf/image.h"
#include "kernel/bzimage.h"
#include "kernel/uki.h"

namespace vestibule::efi {

class Payload {
  public:
    /// Reads and places payload and initrd.
    Problem load(Volume& volume, const Config& config);

    /// Places the kernel and the initrd that the application's own image carries.
    Problem load_carried(Bytes image, const Config& config);

    /// Completes the record in the placed stub by which it finds the payload; all but what is known
    /// only once boot services end.
    Problem describe(boot::PayloadHeader& header) const;

    /// By which it is to be entered.
    [[nodiscard]] kernel::Protocol protocol() const { return protocol_; }

    /// What of it lies elsewhere until the firmware is gone.
    [[nodiscard]] Moves& moves() { return moves_; }

    /// Of what else lies in memory when it is entered: none where a copy goes.
    [[nodiscard]] Extent initrd() const { return initrd_.extent(); }

    /// Of the protocol linux64.
    [[nodiscard]] const kernel::LinuxKernel& linux() const { return linux_; }

  private:
    /// Where it will lie, once it is placed.
    struct Place {
        u64 base;
        u64 size;
        u64 entry;
    };

    // The forms (efi/payload.cpp, efi/payload_linux.cpp).
    Problem load_elf(const Config& config);
    Problem load_flat(const Config& config);
    Problem load_uki(const Config& config, kernel::Sections where);
    Problem load_bzimage(const Config& config, Bytes file, u64 offset);

    Problem choose(const Config& config, kernel::Form form, bool has_pvh_note);
    bool take(Pages& memory, u64 address, u64 bytes);
    Problem place_elf(const Config& config, const elf::Image& image, u64& bias);
    Problem relocate(Text path, const elf::Image& image, u64 bias) const;
    Problem load_initrd(Volume& volume, const Config& config);

    Pages file_;
    Pages memory_[elf::Image::max_segments]; // of neighbouring segments together
    Moves moves_;
    Pages initrd_;
    Bytes bytes_;
    Bytes carried_initrd_; // in the file, which stays for them
    Text command_line_;
    kernel::Protocol protocol_ = kernel::Protocol::boot_info;
    kernel::LinuxKernel linux_{};
    Place place_{};
    u64 initrd_size_ = 0;
};

/// What is wrong with the file at `path`.
Problem of_file(Text path, const elf::Fault& fault);

} // namespace vestibule::efi
