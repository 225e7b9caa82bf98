// SPDX-License-Identifier: BSD-2-Clause-Patent
// IN and OUT: each size with each address size, what is missing, and accesses that are none (GHCB
// specification, section 4.1.2, exit 0x7B).
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/port_access.h"

namespace vestibule::examiner {

namespace {

using namespace port_bits;

/// Registers that keep what is written and do nothing: the serial port's scratch register, two page
/// registers of the DMA controller, the address of PCI's configuration (every monitor that is known
/// has the three, but its own DMA controller).
constexpr u16 scratch_register = 0x3FF;
constexpr u16 dma_pages        = 0x82;
constexpr u16 dma_page         = 0x81;
constexpr u16 pci_address      = 0xCF8;

/// Where nothing is that minds: POST codes.
constexpr u16 post_codes = 0x80;

constexpr Call out(u16 port, u64 size, u64 value, u64 address_size = address_64) {
    return call_of(ExitCode::ioio, port_out(port, size, address_size)).with_rax(value);
}

constexpr Call in(u16 port, u64 size, u64 address_size = address_64) {
    return call_of(ExitCode::ioio, port_in(port, size, address_size));
}

constexpr u64 low_bytes(u64 size) { return (u64{1} << (8 * size)) - 1; }

Verdict comes_back(u16 port, u64 size, u64 value, u64 address_size = address_64) {
    const Answer before  = perform(in(port, size));
    const Answer written = perform(out(port, size, value, address_size));
    const Answer read    = perform(in(port, size, address_size));
    (void)perform(out(port, size, before.rax & low_bytes(size)));
    return first_of(judge(written, done()), judge(read, done(fields::rax)),
                    equal("RAX, what was written", read.rax & low_bytes(size), value));
}

Verdict byte_comes_back() { return comes_back(scratch_register, 1, 0x5A); }

Verdict byte_comes_back_16() { return comes_back(scratch_register, 1, 0xA5, address_16); }

Verdict byte_comes_back_32() { return comes_back(scratch_register, 1, 0x3C, address_32); }

/// Where there is no DMA controller both read as ones.
bool has_dma_controller() { return (perform(in(dma_page, 1)).rax & 0xFF) != 0xFF; }

Verdict dma_page_comes_back() {
    return has_dma_controller() ? comes_back(dma_page, 1, 0x3C)
                                : Verdict::skipped("no DMA controller");
}

Verdict word_comes_back() {
    return has_dma_controller() ? comes_back(dma_pages, 2, 0x2817)
                                : Verdict::skipped("no DMA controller");
}

Verdict double_word_comes_back() { return comes_back(pci_address, 4, 0x8000'0000); }

/// The lowest and the highest port of a size: the port's number is all 16 bits.
Verdict ports_differ() {
    (void)perform(out(scratch_register, 1, 0x69));
    (void)perform(out(post_codes, 1, 0x96));
    return equal("RAX[7:0], the register that was not written last",
                 perform(in(scratch_register, 1)).rax & 0xFF, 0x69);
}

/// More of RAX than the operand.
Verdict extra_bits(u64 size) {
    return equal("RAX above the operand", perform(in(pci_address, size)).rax & ~low_bytes(size), 0);
}

Verdict byte_is_a_byte() { return extra_bits(1); }

Verdict word_is_a_word() { return extra_bits(2); }

Verdict double_word_is_one() { return extra_bits(4); }

constexpr Call good_out = out(post_codes, 1, 0);

constexpr Call with_word(u64 word) { return call_of(ExitCode::ioio, word).with_rax(0); }

constexpr u64 out_word = port_out(post_codes, 1);
constexpr u64 in_word  = port_in(scratch_register, 1);
constexpr u64 no_size  = u64{post_codes} << 16 | address_64;

constexpr const char* section = "4.1.2";

// clang-format off
constexpr CallCase call_cases[] = {
    {{"ioio.out.8.16",       section, "OUT of 8 bits, 16-bit addresses",            Level::must}, out(post_codes, 1, 1, address_16), done()},
    {{"ioio.out.8.32",       section, "OUT of 8 bits, 32-bit addresses",            Level::must}, out(post_codes, 1, 1, address_32), done()},
    {{"ioio.out.8.64",       section, "OUT of 8 bits, 64-bit addresses",            Level::must}, out(post_codes, 1, 1), done()},
    {{"ioio.out.16.16",      section, "OUT of 16 bits, 16-bit addresses",           Level::must}, out(dma_pages, 2, 0, address_16), done()},
    {{"ioio.out.16.32",      section, "OUT of 16 bits, 32-bit addresses",           Level::must}, out(dma_pages, 2, 0, address_32), done()},
    {{"ioio.out.16.64",      section, "OUT of 16 bits, 64-bit addresses",           Level::must}, out(dma_pages, 2, 0), done()},
    {{"ioio.out.32.16",      section, "OUT of 32 bits, 16-bit addresses",           Level::must}, out(pci_address, 4, 0, address_16), done()},
    {{"ioio.out.32.32",      section, "OUT of 32 bits, 32-bit addresses",           Level::must}, out(pci_address, 4, 0, address_32), done()},
    {{"ioio.out.32.64",      section, "OUT of 32 bits, 64-bit addresses",           Level::must}, out(pci_address, 4, 0), done()},
    {{"ioio.in.8.16",        section, "IN of 8 bits, 16-bit addresses, gives RAX",  Level::must}, in(scratch_register, 1, address_16), done(fields::rax)},
    {{"ioio.in.8.32",        section, "IN of 8 bits, 32-bit addresses, gives RAX",  Level::must}, in(scratch_register, 1, address_32), done(fields::rax)},
    {{"ioio.in.8.64",        section, "IN of 8 bits, 64-bit addresses, gives RAX",  Level::must}, in(scratch_register, 1), done(fields::rax)},
    {{"ioio.in.16.16",       section, "IN of 16 bits, 16-bit addresses, gives RAX", Level::must}, in(dma_pages, 2, address_16), done(fields::rax)},
    {{"ioio.in.16.32",       section, "IN of 16 bits, 32-bit addresses, gives RAX", Level::must}, in(dma_pages, 2, address_32), done(fields::rax)},
    {{"ioio.in.16.64",       section, "IN of 16 bits, 64-bit addresses, gives RAX", Level::must}, in(dma_pages, 2), done(fields::rax)},
    {{"ioio.in.32.16",       section, "IN of 32 bits, 16-bit addresses, gives RAX", Level::must}, in(pci_address, 4, address_16), done(fields::rax)},
    {{"ioio.in.32.32",       section, "IN of 32 bits, 32-bit addresses, gives RAX", Level::must}, in(pci_address, 4, address_32), done(fields::rax)},
    {{"ioio.in.32.64",       section, "IN of 32 bits, 64-bit addresses, gives RAX", Level::must}, in(pci_address, 4), done(fields::rax)},
    {{"ioio.in.unused",      section, "IN of a port where nothing is gives RAX",    Level::must}, in(0x7F1, 1), done(fields::rax)},
    {{"ioio.out.missing.8",  section, "OUT of 8 bits without RAX: reason 4",        Level::must}, good_out.without(fields::rax), malformed(reason::missing)},
    {{"ioio.out.missing.16", section, "OUT of 16 bits without RAX: reason 4",       Level::must}, out(dma_pages, 2, 0).without(fields::rax), malformed(reason::missing)},
    {{"ioio.out.missing.32", section, "OUT of 32 bits without RAX: reason 4",       Level::must}, out(pci_address, 4, 0).without(fields::rax), malformed(reason::missing)},
    {{"ioio.size.none",      section, "an access of no size: reason 5",             Level::must}, with_word(no_size), malformed(reason::input)},
    {{"ioio.size.8-16",      section, "an access of two sizes is refused",          Level::should}, with_word(out_word | 2u << to_size), refused},
    {{"ioio.size.8-32",      section, "an access of two other sizes is refused",    Level::should}, with_word(out_word | 4u << to_size), refused},
    {{"ioio.size.all",       section, "an access of three sizes is refused",        Level::should}, with_word(out_word | 6u << to_size), refused},
    {{"ioio.address.none",   section, "an access of no address size is refused",    Level::may}, with_word(out_word & ~address_64), refused},
    {{"ioio.address.two",    section, "an access of two address sizes is refused",  Level::may}, with_word(out_word | address_16), refused},
    {{"ioio.out.reserved-1", section, "bit 1 of SW_EXITINFO1 is refused",           Level::may}, with_word(out_word | bit(1)), refused},
    {{"ioio.out.reserved-13", section, "bit 13 of SW_EXITINFO1 is refused",         Level::may}, with_word(out_word | bit(13)), refused},
    {{"ioio.out.reserved-15", section, "bit 15 of SW_EXITINFO1 is refused",         Level::may}, with_word(out_word | bit(15)), refused},
    {{"ioio.out.reserved-32", section, "bit 32 of SW_EXITINFO1 is refused",         Level::may}, with_word(out_word | bit(32)), refused},
    {{"ioio.in.reserved-63", section, "bit 63 of SW_EXITINFO1 is refused",          Level::may}, with_word(in_word | bit(63)), refused},
    {{"ioio.rep-alone",      section, "REP without a string is refused",            Level::may}, with_word(out_word | rep), refused},
    {{"ioio.segment-alone",  section, "a segment without a string is refused",      Level::may}, with_word(out_word | segment_ds), refused},
};

constexpr CodeCase code_cases[] = {
    {{"ioio.byte",           section, "a byte is read as it was written",           Level::must}, byte_comes_back},
    {{"ioio.byte.16",        section, "so it is with 16-bit addresses",             Level::must}, byte_comes_back_16},
    {{"ioio.byte.32",        section, "so it is with 32-bit addresses",             Level::must}, byte_comes_back_32},
    {{"ioio.byte.dma",       section, "a page register of the DMA controller keeps a byte", Level::must}, dma_page_comes_back},
    {{"ioio.word",           section, "two page registers keep a word",             Level::must}, word_comes_back},
    {{"ioio.double-word",    section, "PCI's address register keeps 32 bits",       Level::must}, double_word_comes_back},
    {{"ioio.ports",          section, "two ports are two",                          Level::must}, ports_differ},
    {{"ioio.in.8.width",     section, "IN of 8 bits gives no more of RAX",          Level::should}, byte_is_a_byte},
    {{"ioio.in.16.width",    section, "IN of 16 bits gives no more of RAX",         Level::should}, word_is_a_word},
    {{"ioio.in.32.width",    section, "IN of 32 bits gives no more of RAX",         Level::should}, double_word_is_one},
};
// clang-format on

} // namespace

constinit const Group ioio_group = group_of("IN and OUT", call_cases, code_cases);

} // namespace vestibule::examiner
