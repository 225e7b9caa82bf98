// SPDX-License-Identifier: BSD-2-Clause-Patent
// The EFI application: inside the guest, what igvmtool and a monitor are outside, a loader of the
// stub. Firmware starts it, and as long as it only prepares, everything it has taken goes back to
// the firmware when it fails.
#include "efi/console.h"
#include "efi/departure.h"
#include "efi/firmware.h"
#include "efi/further_cpus.h"
#include "efi/linux.h"
#include "efi/machine.h"
#include "efi/measure.h"
#include "efi/own_image.h"
#include "efi/payload.h"
#include "efi/pvh.h"
#include "efi/stub.h"
#include "efi/volume.h"
#include "efi/wait.h"
#include "hand_over.h"
#include "selftest.h"

namespace vestibule::efi {

namespace {

EFI_STATUS status_of(Trouble kind) {
    switch (kind) {
    case Trouble::none: return EFI_SUCCESS;
    case Trouble::config: return EFI_INVALID_PARAMETER;
    case Trouble::not_found: return EFI_NOT_FOUND;
    case Trouble::damaged: return EFI_LOAD_ERROR;
    case Trouble::memory: return EFI_OUT_OF_RESOURCES;
    case Trouble::unsupported: return EFI_UNSUPPORTED;
    case Trouble::device:
    case Trouble::no_end: return EFI_DEVICE_ERROR;
    case Trouble::aborted: return EFI_ABORTED;
    }
    return EFI_LOAD_ERROR;
}

Problem read_own_config(Volume& volume, Pages& memory, Config& config) {
    constexpr u64 most = 65536;
    u64 size           = 0;
    if (Problem wrong = volume.read(config_name, memory, size); wrong.is_there()) {
        return wrong;
    }
    if (size > most) {
        return problem(Trouble::config, "vestibule.conf has ", size, " bytes, expected at most ",
                       most);
    }
    return read_config({memory.at<const char>(), size}, config);
}

/// What the record tells of the firmware, which is final only now.
void describe_firmware(const Departure& departure, u64 rsdp, boot::PayloadHeader& header) {
    header.efi_system_table       = reinterpret_cast<u64>(firmware.system);
    header.efi_memory_map         = departure.map();
    header.efi_memory_map_size    = departure.map_size();
    header.efi_descriptor_size    = static_cast<u32>(departure.descriptor_size());
    header.efi_descriptor_version = departure.descriptor_version();
    header.rsdp                   = rsdp;
}

/// Everything up to the stub's first instruction. What comes back is why there is none, and all
/// that was taken has been given back by then.
Problem run() {
    Volume volume;
    Pages config_file;
    Config config;
    const kernel::Bytes carried = own_image();
    const bool is_uki           = carries_kernel(carried);
    if (is_uki) {
        config.payload = "the kernel in this image";
    } else {
        Problem wrong = volume.open();
        if (!wrong.is_there()) {
            wrong = read_own_config(volume, config_file, config);
        }
        if (wrong.is_there()) {
            return wrong;
        }
    }
    if (config.verbose == Verbose::com1) {
        speak_on_com1();
    }

    Machine machine = look_at_machine();
    if (config.verbose != Verbose::off) {
        say("Vestibule");
        show(machine);
        say("  payload            ",
            config.payload.empty() ? Text{"the built-in selftest"} : config.payload);
    }
    if (Problem wrong = check_machine(machine, config.mode); wrong.is_there()) {
        return wrong;
    }

    Payload payload;
    const bool placed = !config.payload.empty();
    if (is_uki) {
        const unsigned measured = measure_sections(carried);
        if (measured != 0) {
            say("  measured           ", u64{measured}, " sections into PCR 11");
        }
    }
    if (placed) {
        if (Problem wrong =
                is_uki ? payload.load_carried(carried, config) : payload.load(volume, config);
            wrong.is_there()) {
            return wrong;
        }
    }
    const StubImage& image = placed ? hand_over : selftest;
    Pages region;
    if (Problem wrong = place_stub(image, machine, region); wrong.is_there()) {
        return wrong;
    }
    auto* const header = placed ? region.at<boot::PayloadHeader>(image.payload_header) : nullptr;
    if (header != nullptr) {
        if (Problem wrong = payload.describe(*header); wrong.is_there()) {
            return wrong;
        }
    }
    FurtherCpus further_cpus;
    if (header != nullptr && payload.protocol() == kernel::Protocol::boot_info) {
        if (Problem wrong = further_cpus.place(image, region, machine); wrong.is_there()) {
            return wrong;
        }
    }
    PvhEntry pvh_entry;
    LinuxEntry linux_entry;
    if (header != nullptr && payload.protocol() == kernel::Protocol::pvh) {
        if (Problem wrong = pvh_entry.place(*header); wrong.is_there()) {
            return wrong;
        }
    }
    if (header != nullptr && payload.protocol() == kernel::Protocol::linux64) {
        if (Problem wrong = linux_entry.place(*header); wrong.is_there()) {
            return wrong;
        }
    }
    if (header != nullptr && payload.moves().are_there()) {
        const Extent kept[] = {region.extent(), payload.initrd(), pvh_entry.memory(),
                               linux_entry.memory(), further_cpus.memory()};
        for (const Extent& own : kept) {
            if (!payload.moves().leave_alone(own)) {
                return problem(Trouble::memory, "too little memory beside that of the payload");
            }
        }
        if (Problem wrong = payload.moves().place(*header); wrong.is_there()) {
            return wrong;
        }
    }
    if (Problem wrong = wait_for_key(config.timeout); wrong.is_there()) {
        return wrong;
    }

    volume.close(); // from the first ExitBootServices on, only memory can be given back
    const u64 rsdp = find_rsdp();
    Departure departure;
    if (Problem wrong = departure.prepare(); wrong.is_there()) {
        return wrong;
    }
    if (Problem wrong = departure.exit_boot_services(payload.moves()); wrong.is_there()) {
        return wrong;
    }
    if (header != nullptr) {
        describe_firmware(departure, rsdp, *header);
        header->cpuid_page   = machine.cc_blob.cpuid_page;
        header->secrets_page = machine.cc_blob.secrets_page;
    }
    if (header != nullptr && payload.protocol() == kernel::Protocol::boot_info) {
        further_cpus.open(machine, departure, *header);
    }
    const Extent stub{.base = region.base(), .end = region.base() + image.size};
    if (header != nullptr && payload.protocol() == kernel::Protocol::pvh) {
        pvh_entry.describe(*header, departure, stub);
    }
    if (header != nullptr && payload.protocol() == kernel::Protocol::linux64) {
        linux_entry.describe(payload.linux(), *header, departure, stub);
    }
    enter_stub(image, machine, region);
}

} // namespace

} // namespace vestibule::efi

using namespace vestibule;

extern "C" EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* system);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* system) {
    efi::firmware            = {.image = image, .system = system};
    const efi::Problem wrong = efi::run();
    if (wrong.is_there()) {
        efi::Words words;
        words << "vestibule: " << wrong.words.text();
        if (wrong.kind == efi::Trouble::no_end) {
            efi::say_on_com1(words.text());
        } else {
            efi::say(words.text());
        }
    }
    return efi::status_of(wrong.kind);
}
