// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "kernel/form.h"

#include "kernel/bzimage.h"
#include "kernel/uki.h"

namespace vestibule::kernel {

Form form_of(Bytes file) {
    constexpr u32 elf_magic = 0x464C'457F;
    if (file.hold(0, sizeof(elf_magic)) && file.load<u32>(0) == elf_magic) {
        return Form::elf64;
    }
    if (is_bzimage(file)) { // which may be a PE as well, for firmware to start
        return Form::bzimage;
    }
    return is_pe(file) ? Form::uki : Form::flat;
}

Fault choose(Form form, Protocol wanted, bool has_pvh_note, u32 first_bytes, Protocol& chosen) {
    struct Row {
        Form form;
        Protocol wanted;
        Protocol chosen;
    };

    constexpr Row rows[] = {
        {Form::elf64,   Protocol::automatic, Protocol::boot_info},
        {Form::elf64,   Protocol::boot_info, Protocol::boot_info},
        {Form::elf64,   Protocol::linux64,   Protocol::linux64  },
        {Form::flat,    Protocol::automatic, Protocol::boot_info},
        {Form::flat,    Protocol::boot_info, Protocol::boot_info},
        {Form::bzimage, Protocol::automatic, Protocol::linux64  },
        {Form::bzimage, Protocol::linux64,   Protocol::linux64  },
        {Form::uki,     Protocol::automatic, Protocol::linux64  },
        {Form::uki,     Protocol::linux64,   Protocol::linux64  },
    };
    if (has_pvh_note && (wanted == Protocol::automatic || wanted == Protocol::pvh)) {
        chosen = Protocol::pvh;
        return elf::no_fault;
    }
    for (const Row& row : rows) {
        if (row.form == form && row.wanted == wanted) {
            chosen = row.chosen;
            return elf::no_fault;
        }
    }
    switch (wanted) {
    case Protocol::pvh:
        return elf::unsupported("a PVH kernel: an ELF64 with a PVH note", 0, first_bytes);
    case Protocol::linux64:
        return elf::unsupported("a Linux kernel: a bzImage, a UKI, or an ELF64 (vmlinux)", 0,
                                first_bytes);
    default:
        return elf::unsupported("a payload that takes boot info: an ELF64 or a flat binary", 0,
                                first_bytes);
    }
}

} // namespace vestibule::kernel
