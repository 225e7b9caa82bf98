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
    u8 bytes[3 * sizeof(MapEntry)];
    u64 size; // 0: there is no such parameter here

    template <class Object>
    static Value of(const Object& object) {
        static_assert(sizeof object <= sizeof bytes);
        Value value{.bytes = {}, .size = sizeof object};
        memcpy(value.bytes, &object, sizeof object);
        return value;
    }
};

Value value_of(igvm::HeaderType type, const Options& options) {
    using enum igvm::HeaderType;
    switch (type) {
    case vp_count_parameter: return Value::of(u32{options.vcpus});
    case environment_info_parameter: {
        constexpr u32 memory_is_shared =
            1; // what the file does not name is the host's, as QEMU has it
        return Value::of(memory_is_shared);
    }
    case command_line: return Value::of('\0'); // a file's guest has none but its own
    case memory_map: {
        using nested::video_begin;
        using nested::video_end;
        const MapEntry map[] = {
            {0,                     video_begin / page_size,                  0, 0, 0},
            {video_end / page_size, (options.memory - video_end) / page_size, 0, 0, 0},
            {0,                     0,                                        0, 0, 0},
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

const char* fill_parameter_page(const igvm::File& file, u32 mask, const igvm::ParameterArea& area,
                                const Options& options, u64 page, std::span<u8> to) {
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
            return "its parameter area is for what this machine does not tell; it tells VP_COUNT, "
                   "MEMORY_MAP, COMMAND_LINE and ENVIRONMENT_INFO";
        }
        if (usage->byte_offset > area.number_of_bytes
            || value.size > area.number_of_bytes - usage->byte_offset) {
            return "its parameter area has not room for what is deposited there";
        }
        copy_part({value.bytes, value.size}, usage->byte_offset, page, to);
    }
    return nullptr;
}

} // namespace vestibule::sevsim
