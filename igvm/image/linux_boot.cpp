// See linux_boot.h: reading a bzImage, and its zero page.
#include "igvm/image/linux_boot.h"

#include "igvm/format/reader.h"
#include "igvm/image/payload.h"

#include <algorithm>
#include <cstring>

namespace vestibule::igvm {

namespace {
/// struct setup_header, by offset in the file and in the zero page alike.
namespace setup {
constexpr u64 start          = 0x1F1;
constexpr u64 sectors        = 0x1F1; // u8, of real-mode code behind the first; 0 stands for 4
constexpr u64 boot_flag      = 0x1FE; // u16
constexpr u64 jump_length    = 0x201; // u8: the header ends that far behind 0x202
constexpr u64 magic          = 0x202; // "HdrS"
constexpr u64 version        = 0x206; // u16
constexpr u64 type_of_loader = 0x210; // u8
constexpr u64 load_flags     = 0x211; // u8
constexpr u64 ramdisk_image  = 0x218; // u32
constexpr u64 ramdisk_size   = 0x21C; // u32
constexpr u64 cmd_line_ptr   = 0x228; // u32
constexpr u64 initrd_max     = 0x22C; // u32
constexpr u64 xloadflags     = 0x236; // u16
constexpr u64 cmdline_size   = 0x238; // u32
constexpr u64 setup_data     = 0x250; // u64
constexpr u64 pref_address   = 0x258; // u64
constexpr u64 init_size      = 0x260; // u32
constexpr u64 least_end      = 0x264;

constexpr u16 boot_flag_value      = 0xAA55;
constexpr u32 magic_value          = 0x5372'6448;
constexpr u16 least_version        = 0x020C; // with xloadflags
constexpr u8 loaded_high           = 1;
constexpr u16 xlf_kernel_64        = 1;
constexpr u8 undefined_loader      = 0xFF;
constexpr u64 sector               = 512;
constexpr u32 highest_initrd       = 0x7FFF'FFFF; // what kernels have without a header of their own
constexpr u32 longest_command_line = 2047;
constexpr u64 entry64              = 0x200; // from the start of the protected-mode kernel
} // namespace setup

/// Other fields of struct boot_params.
namespace zero_page {
constexpr u64 acpi_rsdp_addr  = 0x070; // u64
constexpr u64 cc_blob_address = 0x13C; // u32
constexpr u64 e820_entries    = 0x1E8; // u8
constexpr u64 e820_table      = 0x2D0;
/// Nobody's, up to the page's end (_pad9): the page has room for what setup_data points to.
constexpr u64 free = 0xF00;
} // namespace zero_page

struct [[gnu::packed]] E820Entry {
    u64 address;
    u64 size;
    u32 type;

    static constexpr u32 ram      = 1;
    static constexpr u32 reserved = 2;
    static constexpr u32 acpi     = 3; // which Linux maps encrypted for whoever reads tables
};

static_assert(sizeof(E820Entry) == 20);

/// struct cc_blob_sev_info.
struct CcBlob {
    u32 magic;
    u16 version;
    u16 reserved;
    u64 secrets_address;
    u32 secrets_size;
    u32 reserved_1;
    u64 cpuid_address;
    u32 cpuid_size;
    u32 reserved_2;

    static constexpr u32 magic_value = 0x4544'4D41; // "AMDE"
};

static_assert(sizeof(CcBlob) == 40);

/// struct cc_setup_data.
struct CcSetupData {
    u64 next;
    u32 type;
    u32 length;
    u32 blob_address;
    u32 padding;

    static constexpr u32 setup_cc_blob = 7;
};

template <class T>
void store(std::array<u8, page_size>& page, u64 offset, const T& value) {
    std::memcpy(&page[offset], &value, sizeof(T));
}
} // namespace

bool is_bzimage(std::span<const u8> bytes) {
    return bytes.size() >= setup::least_end
           && load<u16>(bytes, setup::boot_flag) == setup::boot_flag_value
           && load<u32>(bytes, setup::magic) == setup::magic_value;
}

std::expected<Payload, ImageError> read_bzimage(std::span<const u8> file) {
    const auto version      = load<u16>(file, setup::version);
    const auto load_flags   = load<u8>(file, setup::load_flags);
    const auto xloadflags   = load<u16>(file, setup::xloadflags);
    const auto pref_address = load<u64>(file, setup::pref_address);
    const auto init_size    = load<u32>(file, setup::init_size);
    const u64 sectors       = load<u8>(file, setup::sectors);
    const u64 real_mode     = ((sectors == 0 ? 4 : sectors) + 1) * setup::sector;
    const u64 header_end    = setup::magic + load<u8>(file, setup::jump_length);
    const elf::Row rows[]   = {
        {.expected = "boot protocol 2.12 or later",
         .offset   = setup::version,
         .found    = version,
         .right    = version >= setup::least_version                                             },
        {.expected = "a kernel that is loaded high",
         .offset   = setup::load_flags,
         .found    = load_flags,
         .right    = (load_flags & setup::loaded_high) != 0                                      },
        {.expected = "a 64-bit entry point (XLF_KERNEL_64)",
         .offset   = setup::xloadflags,
         .found    = xloadflags,
         .right    = (xloadflags & setup::xlf_kernel_64) != 0                                    },
        {.expected = "a setup header that ends behind init_size and in the zero page's room for it",
         .offset   = setup::jump_length,
         .found    = header_end,
         .right =
               header_end >= setup::least_end && header_end <= 0x290 && header_end <= file.size()},
        {.expected = "a protected-mode kernel behind the real-mode code",
         .offset   = setup::sectors,
         .found    = sectors,
         .right    = file.size() > real_mode + setup::entry64                                    },
        {.expected = "a page-aligned preferred address with room below for the real-mode code",
         .offset   = setup::pref_address,
         .found    = pref_address,
         .right    = pref_address % page_size == 0 && pref_address >= high_memory_start + real_mode
                    && pref_address < payload_limit                                              },
        {.expected = "room for the kernel (init_size) that holds its file and ends below 4 GiB",
         .offset   = setup::init_size,
         .found    = init_size,
         .right =
               init_size >= file.size() - real_mode && init_size <= payload_limit - pref_address },
    };
    if (const elf::Fault fault = elf::all_right(rows); fault.is_there()) {
        return refuse(fault);
    }

    // The file as it is, its real-mode code below the kernel: in whole pages.
    Payload payload;
    payload.format = PayloadFormat::bzimage;
    payload.kind   = boot::PayloadKind::linux64;
    payload.base   = (pref_address - real_mode) & ~(page_size - 1);
    payload.size   = (pref_address + init_size - payload.base + page_size - 1) & ~(page_size - 1);
    payload.entry  = pref_address + setup::entry64;
    std::vector<u8> bytes(pref_address - real_mode - payload.base);
    bytes.insert(bytes.end(), file.begin(), file.end());
    payload.blocks.push_back({.gpa = payload.base, .content = Content(std::move(bytes))});
    // The rest of init_size is the kernel's own to clear.
    const auto header = file.subspan(setup::start, header_end - setup::start);
    payload.linux     = LinuxKernel{
            .setup_header       = {header.begin(), header.end()},
            .initrd_limit       = load<u32>(file, setup::initrd_max),
            .command_line_limit = load<u32>(file, setup::cmdline_size)
    };
    return payload;
}

LinuxKernel kernel_without_header() {
    std::array<u8, page_size> page{};
    store(page, setup::boot_flag, setup::boot_flag_value);
    store(page, setup::jump_length, static_cast<u8>(setup::least_end - setup::magic));
    store(page, setup::magic, setup::magic_value);
    store(page, setup::version, setup::least_version);
    store(page, setup::load_flags, setup::loaded_high);
    store(page, setup::initrd_max, setup::highest_initrd);
    store(page, setup::xloadflags, setup::xlf_kernel_64);
    store(page, setup::cmdline_size, setup::longest_command_line);
    return {
        .setup_header       = {page.begin() + setup::start, page.begin() + setup::least_end},
        .initrd_limit       = setup::highest_initrd,
        .command_line_limit = setup::longest_command_line
    };
}

/// RAM but for what the stub holds and for the hole of a PC below 1 MiB.
static std::vector<E820Entry> memory_map(const ZeroPageContents& contents) {
    const u64 stub_end = contents.stub + contents.stub_size;
    std::vector<E820Entry> map;
    map.reserve(contents.accepted.size() + 1);
    for (const boot::MemoryRange& range : contents.accepted) {
        map.push_back({.address = range.base, .size = range.size, .type = E820Entry::ram});
    }
    if (!map.empty()) {
        map.push_back(
            {.address = contents.stub, .size = contents.stub_size, .type = E820Entry::acpi});
        std::ranges::sort(map, {}, [](const E820Entry& entry) { return u64{entry.address}; });
        return map;
    }

    struct Stretch {
        u64 first;
        u64 end;
        u32 type;
    };

    const Stretch stretches[] = {
        {.first = 0,                 .end = low_memory_end,  .type = E820Entry::ram},
        {.first = high_memory_start, .end = contents.stub,   .type = E820Entry::ram},
        {.first = contents.stub,
         .end   = stub_end,
         .type  = contents.rsdp != 0 ? E820Entry::acpi : E820Entry::reserved       },
        {.first = stub_end,          .end = contents.memory, .type = E820Entry::ram},
    };
    for (const auto& [first, end, type] : stretches) {
        if (first < end) {
            map.push_back({.address = first, .size = end - first, .type = type});
        }
    }
    return map;
}

std::array<u8, page_size> make_zero_page(const LinuxKernel& kernel, u64 gpa,
                                         const ZeroPageContents& contents) {
    std::array<u8, page_size> page{};
    std::ranges::copy(kernel.setup_header, page.begin() + setup::start);
    store(page, setup::type_of_loader, setup::undefined_loader);
    store(page, setup::ramdisk_image, static_cast<u32>(contents.initrd));
    store(page, setup::ramdisk_size, static_cast<u32>(contents.initrd_size));
    store(page, setup::cmd_line_ptr, static_cast<u32>(contents.command_line));
    store(page, setup::setup_data, u64{0});
    store(page, zero_page::acpi_rsdp_addr, contents.rsdp);
    const auto map = memory_map(contents);
    store(page, zero_page::e820_entries, static_cast<u8>(map.size()));
    for (u64 i = 0; i < map.size(); ++i) {
        store(page, zero_page::e820_table + i * sizeof(E820Entry), map[i]);
    }
    if (contents.confidential) {
        constexpr u64 data = zero_page::free;
        constexpr u64 blob = data + sizeof(CcSetupData);
        store(page, data,
              CcSetupData{.next         = 0,
                          .type         = CcSetupData::setup_cc_blob,
                          .length       = sizeof(u32),
                          .blob_address = static_cast<u32>(gpa + blob),
                          .padding      = 0});
        store(page, blob,
              CcBlob{.magic           = CcBlob::magic_value,
                     .version         = 0,
                     .reserved        = 0,
                     .secrets_address = contents.confidential->secrets_page,
                     .secrets_size    = page_size,
                     .reserved_1      = 0,
                     .cpuid_address   = contents.confidential->cpuid_page,
                     .cpuid_size      = page_size,
                     .reserved_2      = 0});
        store(page, setup::setup_data, gpa + data);
        store(page, zero_page::cc_blob_address, static_cast<u32>(gpa + blob));
    }
    return page;
}

} // namespace vestibule::igvm
