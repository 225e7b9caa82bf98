// What the #VC handler needs to know of the vCPU it runs on; one for each. The program that links
// the handler fills it in once and hands it over at every #VC.
#pragma once

#include "ghcb/call.h"
#include "x86/types.h"

namespace vestibule::vc {

struct Context {
    ghcb::Channel ghcb;
    u64 c_bit         = 0; // mask in page-table entries
    u64 direct_map    = 0; // add to a guest-physical address to read page tables there
    u64 dr7           = 0; // as the interrupted code last wrote it, x86::dr7_reset at first
    u16 kernel_code64 = 0; // selector of the 64-bit code segment at CPL 0
};

} // namespace vestibule::vc
