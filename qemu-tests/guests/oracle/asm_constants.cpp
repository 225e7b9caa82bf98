// SPDX-License-Identifier: BSD-2-Clause-Patent
// Prints what the oracle's assembly needs to know of the C++ types, as NASM definitions. They are
// %define, not equ: the table's macros reckon with them.
#include "qemu-tests/guests/oracle/layout.h"
#include "qemu-tests/guests/oracle/machine.h"
#include "qemu-tests/guests/oracle/row.h"
#include "x86/nasm_constants.h"
#include "x86/registers.h"

#include <cstddef>

using namespace vestibule::oracle;
namespace rflags = vestibule::x86::rflags;

static constexpr vestibule::x86::NasmConstant constants[] = {
    {"ENTRY_GPR", offsetof(Entry, gpr)},
    {"ENTRY_RIP", offsetof(Entry, rip)},
    {"ENTRY_CS", offsetof(Entry, cs)},
    {"ENTRY_RFLAGS", offsetof(Entry, rflags)},
    {"ENTRY_SS", offsetof(Entry, ss)},
    {"ENTRY_DS", offsetof(Entry, ds)},
    {"ENTRY_ES", offsetof(Entry, es)},
    {"ENTRY_FS", offsetof(Entry, fs)},
    {"ENTRY_GS", offsetof(Entry, gs)},
    {"ENTRY_FS_BASE", offsetof(Entry, fs_base)},
    {"ENTRY_GS_BASE", offsetof(Entry, gs_base)},
    {"ENTRY_HAS_BASES", offsetof(Entry, has_bases)},
    {"VECTORS", vectors},
    {"ENTRY_STRIDE", entry_stride},
    {"ROW_NAME_SIZE", sizeof(Row::name)},
    {"ROW_CODE_SIZE", sizeof(Row::code)},
    {"AT_PAGE_END", Row::at_page_end},
    {"INTERRUPT", Row::interrupt},
    {"PORTS_ALLOWED", Row::ports_allowed},
    {"OSXSAVE", Row::osxsave},
    {"TSD", Row::tsd},
    {"RECORDED", Row::recorded},
    {"UNINTERCEPTED", Row::unintercepted},
    {"SMAP", Row::smap},
    {"OWN_STACK", Row::own_stack},
    {"CODE", code_page},
    {"DATA", data},
    {"READ_ONLY", read_only},
    {"SUPERVISOR", supervisor},
    {"SEGMENT16", segment16},
    {"DEVICE", device},
    {"DEVICE_READ_ONLY", device_read_only},
    {"HIGH_HALF", upper_arena_offset},
    {"LAST_PAGE", last_page},
    {"PORT", port_storage},
    {"RECORDER", port_recorder},
    {"TEXT", port_text},
    {"KERNEL_CODE64", selector::kernel_code64},
    {"KERNEL_DATA", selector::kernel_data},
    {"KERNEL_CODE32", selector::kernel_code32},
    {"KERNEL_CODE32_BASED", selector::kernel_code32_based},
    {"KERNEL_CODE16", selector::kernel_code16},
    {"KERNEL_STACK16", selector::kernel_stack16},
    {"USER_CODE64", selector::user_code64},
    {"USER_DATA", selector::user_data},
    {"USER_CODE32", selector::user_code32},
    {"USER_CODE16", selector::user_code16},
    {"DATA16", selector::data16},
    {"DATA_BASED", selector::data_based},
    {"DATA_DEVICE", selector::data_device},
    {"CF_BIT", rflags::cf},
    {"PF_BIT", rflags::pf},
    {"AF_BIT", rflags::af},
    {"ZF_BIT", rflags::zf},
    {"SF_BIT", rflags::sf},
    {"OF_BIT", rflags::of},
    {"STATUS_BITS", rflags::status},
    {"TF_BIT", rflags::tf},
    {"IF_BIT", rflags::interrupt},
    {"DF_BIT", rflags::df},
    {"RF_BIT", rflags::rf},
    {"AC_BIT", rflags::ac},
};

int main() {
    vestibule::x86::print_nasm_constants("qemu-tests/guests/oracle/asm_constants.cpp", constants,
                                         vestibule::x86::NasmForm::define);
}
