// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/console.h"

#include "boot/ports.h"
#include "efi/firmware.h"
#include "x86/cpu.h"

namespace vestibule::efi {

namespace {

constinit bool com1 = false;

void write_com1(char character) {
    constexpr u16 line_status      = boot::port::com1 + 5;
    constexpr u8 transmitter_empty = 1u << 5;
    for (int attempt = 0; attempt < 1000; ++attempt) {
        if ((x86::Cpu::in8(line_status) & transmitter_empty) != 0) {
            break;
        }
    }
    x86::Cpu::out8(boot::port::com1, static_cast<u8>(character));
}

/// In pieces, since EFI's text ends with a zero word and ours may be of any length.
void write_console(Text text) {
    SIMPLE_TEXT_OUTPUT_INTERFACE* out = firmware.system->ConOut;
    if (out == nullptr) { // a machine without any console (UEFI specification 2.10, section 4.3)
        return;
    }
    constexpr u64 piece = 64;
    while (!text.empty()) {
        CHAR16 wide[piece + 1];
        const u64 count = text.size < piece ? text.size : piece;
        for (u64 i = 0; i < count; ++i) {
            wide[i] = static_cast<u8>(text[i]);
        }
        wide[count] = 0;
        (void)out->OutputString(out, wide);
        text = text.from(count);
    }
}

} // namespace

void speak_on_com1() { com1 = true; }

void say_on_com1(Text text) {
    if (com1) {
        for (u64 i = 0; i < text.size; ++i) {
            write_com1(text[i]);
        }
        write_com1('\n');
    }
}

void say(Text text) {
    write_console(text);
    write_console("\r\n");
    say_on_com1(text);
}

} // namespace vestibule::efi
