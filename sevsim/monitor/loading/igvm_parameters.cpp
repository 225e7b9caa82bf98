// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/loading/igvm_parameters.h"

#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_pages.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace {

/// IGVM_VHS_MEMORY_MAP_ENTRY.
struct MapEntry {
    u64 first_page;
    u64 pages; // 0: the last entry
    u16 type;  // 0: memory
    u16 flags;
    u32 reserved;
};

static_assert(sizeof(MapEntry) == 24);

/// A parameter's bytes, of which there are at most these.
struct Value {
    u8 bytes[160];
    u64 size; // 0: there is no such parameter here

    template <class Object>
    static Value of(const Object& object) {
        static_assert(sizeof object <= sizeof bytes);
        Value value{.bytes = {}, .size = sizeof object};
        memcpy(value.bytes, &object, sizeof object);
        return value;
    }
};

/// ACPI 6.5, section 5.2.12: the processors, the I/O APIC, and the timer at its input 2.
Value madt(const Options& options) {
    constexpr u32 local_apic = 0xFEE0'0000;
    constexpr u32 io_apic    = 0xFEC0'0000;
    Value table{.bytes = {}, .size = 0};
    const auto add = [&table](const auto&... fields) {
        const auto one = [&table](const auto& field) {
            memcpy(table.bytes + table.size, &field, sizeof field);
            table.size += sizeof field;
        };
        (one(fields), ...);
    };
    constexpr char signature[4] = {'A', 'P', 'I', 'C'};
    constexpr char oem[6]       = {'V', 'S', 'T', 'B', 'L', ' '};
    constexpr char name[8]      = {'S', 'E', 'V', 'S', 'I', 'M', ' ', ' '};
    constexpr char maker[4]     = {'V', 'S', 'T', 'B'};
    add(signature, u32{0}, u8{5}, u8{0}, oem, name, u32{1}, maker, u32{1});
    add(local_apic, u32{1});                                   // with a PC's two 8259s
    static_assert(sizeof table.bytes >= 44 + 8 * 8 + 12 + 10); // sevsim's eight vCPUs at the most
    for (unsigned vcpu = 0; vcpu < options.vcpus; ++vcpu) {
        add(u8{0}, u8{8}, static_cast<u8>(vcpu), static_cast<u8>(vcpu), u32{1});
    }
    add(u8{1}, u8{12}, u8{0}, u8{0}, io_apic, u32{0});
    add(u8{2}, u8{10}, u8{0}, u8{0}, u32{2}, u16{0});
    table.bytes[4] = static_cast<u8>(table.size);
    u8 sum         = 0;
    for (u64 n = 0; n < table.size; ++n) {
        sum = static_cast<u8>(sum + table.bytes[n]);
    }
    table.bytes[9] = static_cast<u8>(0x100 - sum);
    return table;
}

Value value_of(igvm::HeaderType type, const Options& options) {
    using enum igvm::HeaderType;
    switch (type) {
    case vp_count_parameter: return Value::of(u32{options.vcpus});
    case environment_info_parameter: {
        constexpr u32 memory_is_shared =
            1; // what the file does not name is the host's, as QEMU has it
        return Value::of(memory_is_shared);
    }
    case madt: return vestibule::sevsim::madt(options);
    case command_line: return Value::of('\0'); // a file's guest has none but its own
    case memory_map: {
        using nested::video_begin;
        using nested::video_end;
        const MemoryMap memory = options.map();
        const MapEntry map[]   = {
            {0,                     video_begin / page_size,              0, 0, 0},
            {video_end / page_size, (memory.low - video_end) / page_size, 0, 0, 0},
            {four_gib / page_size,  memory.high / page_size,              0, 0, 0},
            {0,                     0,                                    0, 0, 0},
        };
        return Value::of(map);
    }
    default: return {};
    }
}

/// Copies what of a run of bytes at `offset` of the area lies in the page.
void copy_part(std::span<const u8> from, u64 offset, u64 page, std::span<u8> to) {
    const u64 begin = std::max(offset, page);
    const u64 end   = std::min<u64>(offset + from.size(), page + to.size());
    if (begin < end) {
        memcpy(to.data() + (begin - page), from.data() + (begin - offset), end - begin);
    }
}

} // namespace

igvm::ParameterArea parameter_area(const igvm::File& file, u32 mask, u32 index) {
    for (const igvm::Header header : file.directives(mask)) {
        if (const auto area = header.as<igvm::ParameterArea>();
            area && area->parameter_area_index == index) {
            return *area;
        }
    }
    return {};
}

std::optional<ParameterFault> fill_parameter_page(const igvm::File& file, u32 mask,
                                                  const igvm::ParameterArea& area,
                                                  const Options& options, u64 page,
                                                  std::span<u8> to) {
    memset(to.data(), 0, to.size());
    if (area.file_offset != 0) {
        copy_part(file.data(area.file_offset, area.number_of_bytes), 0, page, to);
    }
    // None of them stands behind the insertion: parse() has seen to that.
    for (const igvm::Header header : file.directives(mask)) {
        const auto usage = header.as<igvm::ParameterUsage>();
        if (!usage || usage->parameter_area_index != area.parameter_area_index) {
            continue;
        }
        const Value value = value_of(header.type, options);
        if (value.size == 0) {
            return ParameterFault{header, "a parameter that this machine does not tell, as QEMU's "
                                          "pc does not; it tells VP_COUNT, MEMORY_MAP, MADT, "
                                          "COMMAND_LINE and ENVIRONMENT_INFO"};
        }
        if (usage->byte_offset > area.number_of_bytes
            || value.size > area.number_of_bytes - usage->byte_offset) {
            return ParameterFault{header, "its parameter area has not room for it"};
        }
        copy_part({value.bytes, value.size}, usage->byte_offset, page, to);
    }
    return std::nullopt;
}

} // namespace vestibule::sevsim
