// SPDX-License-Identifier: BSD-2-Clause-Patent
// Writes IGVM files as this project's igvmtool makes none, for sevsim to load natively:
//   foreign_igvm KIND OUT
// Each guest says on COM1 what it has found and ends by port 0xF4.
#include "igvm/format/vp_context.h"
#include "igvm/format/writer.h"
#include "igvm/tool/file_io.h"
#include "x86/registers.h"

#include <cstring>
#include <fmt/format.h>
#include <string_view>

using namespace vestibule;
using namespace vestibule::igvm;

namespace {

using Code = std::vector<u8>;

/// In any mode: says the byte in AL.
constexpr u8 say_al[] = {0xBA, 0xF8,
                         0x03}; // MOV (E)DX, 0x3F8, which 32-bit code has two bytes more of

Code& operator+=(Code& code, std::initializer_list<u8> bytes) {
    code.insert(code.end(), bytes);
    return code;
}

/// 32-bit code: says a text, byte by byte.
void say(Code& code, std::string_view text) {
    code += {say_al[0], say_al[1], say_al[2], 0, 0};
    for (const char character : text) {
        code += {0xB0, static_cast<u8>(character), 0xEE}; // MOV AL, imm8; OUT DX, AL
    }
}

/// 32-bit code: says `count` bytes of memory from `address` on, those that are zero as '0'.
void say_memory(Code& code, u32 address, u32 count) {
    code += {0xBE}; // MOV ESI, imm32
    for (unsigned byte = 0; byte < 4; ++byte) {
        code += {static_cast<u8>(address >> (8 * byte))};
    }
    code += {0xB9,      static_cast<u8>(count),
             0,         0,
             0, // MOV ECX, imm32
             say_al[0], say_al[1],
             say_al[2], 0,
             0,
             0xAC,             // LODSB
             0x84,      0xC0,  // TEST AL, AL
             0x75,      0x02,  // JNZ +2
             0xB0,      0x30,  // MOV AL, '0'
             0xEE,             // OUT DX, AL
             0xE2,      0xF6}; // LOOP to LODSB
}

void end(Code& code) {
    say(code, "\n");
    code += {0x31, 0xC0, 0xE6, 0xF4, 0xF4, 0xEB, 0xFD}; // XOR EAX, EAX; OUT 0xF4, AL; HLT; JMP
}

constexpr u32 code_gpa      = 0x10'0000;
constexpr u32 parameter_gpa = 0x20'0000;

PageData page_at(u32 mask, u64 gpa) {
    return {.gpa                = gpa,
            .compatibility_mask = mask,
            .file_offset        = 0,
            .flags              = 0,
            .data_type          = PageDataType::normal,
            .reserved           = 0};
}

/// Flat 32-bit protected mode without paging.
void start_at(Writer& writer, u32 mask, u64 rip) {
    NativeVpContext context{};
    context.rip             = rip;
    context.rflags          = 2;
    context.cr0             = x86::cr0::pe | x86::cr0::et;
    context.code.selector   = 8;
    context.code.attributes = 0xC09B;
    context.code.limit      = ~u32{0};
    context.data.selector   = 16;
    context.data.attributes = 0xC093;
    context.data.limit      = ~u32{0};
    Code page(page_size);
    std::memcpy(page.data(), &context, sizeof(context));
    writer.add(
        VpContext{
            .gpa = 0, .compatibility_mask = mask, .file_offset = 0, .vp_index = 0, .reserved = 0},
        page);
}

void add_parameter(Writer& writer, u32 mask, u32 index, HeaderType type, u32 offset) {
    writer.add(ParameterArea{
        .number_of_bytes = page_size, .parameter_area_index = index, .file_offset = 0});
    writer.add(ParameterUsage{.parameter_area_index = index, .byte_offset = offset}, type);
    writer.add(ParameterInsert{.gpa                  = parameter_gpa + index * page_size,
                               .compatibility_mask   = mask,
                               .parameter_area_index = index});
}

/// A MADT, how many vCPUs there are, the environment, and memory.
void parameters(Writer& writer, u32 mask) {
    add_parameter(writer, mask, 0, HeaderType::madt, 0);
    add_parameter(writer, mask, 1, HeaderType::vp_count_parameter, 16);
    add_parameter(writer, mask, 2, HeaderType::environment_info_parameter, 0);
    add_parameter(writer, mask, 3, HeaderType::memory_map, 0);
    Code code;
    say(code, "MADT ");
    say_memory(code, parameter_gpa, 4);
    say(code, " VPs ");
    // The count is a byte of less than 10.
    code += {0xA0, 0x10, 0x10, 0x20, 0x00, 0x04, 0x30, 0xEE}; // MOV AL, [0x201010]; ADD; OUT
    say(code, " environment ");
    code += {0xA0, 0x00, 0x20, 0x20, 0x00, 0x04, 0x30, 0xEE};
    end(code);
    writer.add_page(page_at(mask, code_gpa), code);
    start_at(writer, mask, code_gpa);
}

/// One that no PC of QEMU's tells.
void no_such_parameter(Writer& writer, u32 mask) {
    add_parameter(writer, mask, 0, HeaderType::srat, 0);
    Code code;
    end(code);
    writer.add_page(page_at(mask, code_gpa), code);
    start_at(writer, mask, code_gpa);
}

/// Data in pages outside of RAM, and code right below 4 GiB.
void high_pages(Writer& writer, u32 mask) {
    constexpr u32 far_gpa  = 0xC000'0000;
    constexpr u32 last_gpa = 0xFFFF'F000;
    Code text(page_size);
    constexpr std::string_view words = "far away";
    std::memcpy(text.data(), words.data(), words.size());
    writer.add_page(page_at(mask, far_gpa), text);
    Code code;
    say(code, "pages ");
    say_memory(code, far_gpa, static_cast<u32>(words.size()));
    end(code);
    writer.add_page(page_at(mask, last_gpa), code);
    start_at(writer, mask, last_gpa);
}

/// No context: the vCPU starts at the reset vector, in real mode.
void reset_vector(Writer& writer, u32 mask) {
    constexpr u32 last_gpa = 0xFFFF'F000;
    Code code;
    code += {say_al[0], say_al[1], say_al[2]};
    for (const char character : std::string_view("reset vector\n")) {
        code += {0xB0, static_cast<u8>(character), 0xEE};
    }
    code += {0x31, 0xC0, 0xE6, 0xF4, 0xF4, 0xEB, 0xFD};
    Code page(page_size);
    std::memcpy(page.data(), code.data(), code.size());
    const u8 jump[] = {0xE9, 0x0D, 0xF0}; // from 0xFFF0 to 0xF000
    std::memcpy(&page[0xFF0], jump, sizeof(jump));
    writer.add_page(page_at(mask, last_gpa), page);
}

/// Where a PC has its APICs.
void on_apic(Writer& writer, u32 mask) {
    Code code;
    end(code);
    writer.add_page(page_at(mask, 0xFEE0'0000), code);
    start_at(writer, mask, 0xFEE0'0000);
}

/// Masks as COCONUT-SVSM's builder gives them, bits of undeclared platforms among them.
void undeclared(Writer& writer, u32 mask) {
    Code code;
    say(code, "undeclared platforms");
    end(code);
    writer.add_page(page_at(mask | 0xE, code_gpa), code);
    start_at(writer, mask, code_gpa);
}

struct Kind {
    std::string_view name;
    void (*fill)(Writer& writer, u32 mask);
};

constexpr Kind kinds[] = {
    {.name = "parameters",        .fill = parameters       },
    {.name = "no-such-parameter", .fill = no_such_parameter},
    {.name = "high-pages",        .fill = high_pages       },
    {.name = "reset-vector",      .fill = reset_vector     },
    {.name = "on-apic",           .fill = on_apic          },
    {.name = "undeclared",        .fill = undeclared       },
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        fmt::print(stderr, "usage: foreign_igvm KIND OUT\n");
        return 2;
    }
    const std::string_view wanted = argv[1];
    for (const Kind& kind : kinds) {
        if (kind.name == wanted) {
            Writer writer;
            kind.fill(writer, writer.add_platform(PlatformType::native));
            const auto file = std::move(writer).finish();
            if (!file) {
                fmt::print(stderr, "foreign_igvm: {}\n", file.error().rule_name());
                return 1;
            }
            const auto written = write_file(argv[2], *file);
            return written ? 0 : 1;
        }
    }
    fmt::print(stderr, "foreign_igvm: no kind {}\n", wanted);
    return 2;
}
