// SPDX-License-Identifier: BSD-2-Clause-Patent
// Control registers, EFER and RFLAGS: bit names as in AMD64 APM volume 2, chapter 3.
#pragma once

#include "x86/types.h"

namespace vestibule::x86 {

namespace cr0 {
inline constexpr u64 pe = bit(0);  // protection enable
inline constexpr u64 ts = bit(3);  // task switched
inline constexpr u64 et = bit(4);  // extension type, reads as one
inline constexpr u64 ne = bit(5);  // numeric error
inline constexpr u64 wp = bit(16); // write protect
inline constexpr u64 nw = bit(29); // not write-through
inline constexpr u64 cd = bit(30); // cache disable
inline constexpr u64 pg = bit(31); // paging
} // namespace cr0

namespace cr4 {
inline constexpr u64 tsd     = bit(2); // RDTSC and RDTSCP at CPL 0 only
inline constexpr u64 pse     = bit(4); // pages of 4 MiB in legacy paging
inline constexpr u64 pae     = bit(5);
inline constexpr u64 mce     = bit(6);
inline constexpr u64 pge     = bit(7);  // global pages
inline constexpr u64 pce     = bit(8);  // RDPMC at any CPL
inline constexpr u64 la57    = bit(12); // 5-level paging
inline constexpr u64 osfxsr  = bit(9);
inline constexpr u64 osxsave = bit(18);
inline constexpr u64 smep    = bit(20); // supervisor-mode execution prevention
inline constexpr u64 smap    = bit(21); // supervisor-mode access prevention
inline constexpr u64 pke     = bit(22); // protection keys of user pages
inline constexpr u64 cet     = bit(23); // shadow stacks
inline constexpr u64 pks     = bit(24); // protection keys of supervisor pages
inline constexpr u64 fred    = bit(32); // flexible return and event delivery
} // namespace cr4

namespace efer {
inline constexpr u64 lme  = bit(8);  // long mode enable
inline constexpr u64 lma  = bit(10); // long mode active
inline constexpr u64 nxe  = bit(11); // no-execute enable
inline constexpr u64 svme = bit(12); // SVM; VMRUN demands it of every guest
} // namespace efer

namespace rflags {
inline constexpr u64 reserved_one = bit(1);
inline constexpr u64 cf           = bit(0);
inline constexpr u64 pf           = bit(2);
inline constexpr u64 af           = bit(4);
inline constexpr u64 zf           = bit(6);
inline constexpr u64 sf           = bit(7);
inline constexpr u64 tf           = bit(8);
inline constexpr u64 interrupt    = bit(9); // IF
inline constexpr u64 df           = bit(10);
inline constexpr u64 of           = bit(11);
inline constexpr u64 nt           = bit(14);
inline constexpr u64 rf           = bit(16);
inline constexpr u64 ac           = bit(18);
inline constexpr u64 status       = cf | pf | af | zf | sf | of;
inline constexpr u64 defined      = 0x3F'7FD5; // all that can be one but reserved_one
} // namespace rflags

namespace exception {
inline constexpr u8 debug              = 1;
inline constexpr u8 nmi                = 2;
inline constexpr u8 invalid_opcode     = 6;
inline constexpr u8 double_fault       = 8;
inline constexpr u8 stack_segment      = 12;
inline constexpr u8 general_protection = 13;
inline constexpr u8 page_fault         = 14;
inline constexpr u8 alignment_check    = 17;
inline constexpr u8 hv_injection       = 28; // #HV
inline constexpr u8 vmm_communication  = 29; // #VC
/// Vectors 0 to 31 belong to the architecture.
inline constexpr unsigned count = 32;

/// Vectors for which the CPU pushes an error code (APM volume 2, section 8.2).
constexpr bool pushes_error_code(unsigned vector) {
    constexpr u32 mask = (1u << 8) | (0x1Fu << 10) | (1u << 17) | (1u << 21) | (3u << 29);
    return vector < count && ((mask >> vector) & 1) != 0;
}
} // namespace exception

/// Register values after INIT that no loader changes (APM volume 2, table 14-1).
inline constexpr u64 dr6_reset        = 0xFFFF'0FF0;
inline constexpr u64 dr6_bs           = bit(14); // single step
inline constexpr u64 dr7_reset        = 0x400;   // bit 10 reads as one always
inline constexpr u64 dr7_enables      = 0xFF;    // of the four breakpoints
inline constexpr u64 dr7_read_as_zero = bit(11) | bit(12) | bit(14) | bit(15);
inline constexpr u64 pat_reset        = 0x0007'0406'0007'0406;

} // namespace vestibule::x86
