// SPDX-License-Identifier: BSD-2-Clause-Patent
// The options of the machine, and why each is there.
#include "sevsim/qemu_command.h"

#include "sevsim/from_text.h"
#include "sevsim/late_words.h"

#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

/// What CPU model EPYC has and TCG of QEMU 7.2 has not: left on, each is a warning on every run.
/// nrip-save off also keeps a newer QEMU from showing the monitor something else than 7.2 does.
constexpr const char* features_without_emulation[] = {
    "rdseed", "sha-ni",  "fxsr-opt",  "misalignsse", "3dnowprefetch",
    "osvw",   "topoext", "nrip-save", "xsavec",
};

std::string processor(const RunOptions& options) {
    // With fewer physical address bits VMRUN refuses a guest whose CR3 carries the C-bit.
    std::string model = fmt::format("EPYC,phys-bits={}", options.c_bit + 1);
    // The nested tables have as many levels as the monitor's own, and four reach to bit 47. The
    // monitor uses five wherever it finds them.
    if (options.c_bit > 47 || options.la57) {
        model += ",+la57";
    }
    for (const char* feature : features_without_emulation) {
        model += fmt::format(",{}=off", feature);
    }
    return model;
}

constexpr const char* guest_names[] = {"igvm", "kernel", "firmware"}; // by GuestKind

/// The path of an inherited file, equally long for each: the names of kernel and modules are read
/// in the machine, and the time that this takes is part of what is the same each time
/// (--repeatable).
std::string path_of(int file) { return fmt::format("/dev/fd/{:/>5}", file); }

/// QEMU's -initrd: the multiboot modules. No name can hold a comma here.
std::string modules(const std::vector<int>& files) {
    std::string list;
    for (const int file : files) {
        list += (list.empty() ? "" : ",") + path_of(file);
    }
    return list;
}

bool counts_time(const RunOptions& options) { return options.profile || options.repeatable; }

/// The memory called `id`: most of it is never touched, and all of it may be more than this
/// computer has. Of a machine that goes on, pages of the files are copied where they are written
/// to.
std::string memory(const char* id, u64 size, const std::optional<MachineFiles>& machine, int file) {
    if (!machine) {
        return fmt::format("memory-backend-ram,id={},size={},reserve=off", id, size);
    }
    return fmt::format("memory-backend-file,id={},size={},mem-path={},share={},reserve=off", id,
                       size, path_of(file), machine->devices < 0 ? "on" : "off");
}

/// What the monitor is told of a trace and of lies, at its start or later.
std::string words_of_what_is_done(const RunOptions& options) {
    std::string line = fmt::format("trace={}", options.trace.empty() ? 0 : 1);
    if (!options.trace.empty() && options.trace_format != TraceFormat::jsonl) {
        line += " handlers=1";
    }
    for (const Hostility& lie : options.hostile) {
        line += fmt::format(" hostile={}", hostility(lie));
    }
    return line;
}

} // namespace

std::string hostility(const Hostility& asked) {
    for (const LieDescription& description : lies) {
        if (description.lie == asked.lie) {
            switch (description.form) {
            case LieForm::plain: return description.name;
            case LieForm::at: return fmt::format("{}@{}", description.name, asked.at);
            case LieForm::word:
            case LieForm::code: return fmt::format("{}:{:#x}", description.name, asked.code);
            case LieForm::code_at:
            case LieForm::word_at:
                return fmt::format("{}:{:#x}@{}", description.name, asked.code, asked.at);
            case LieForm::code_within:
            case LieForm::word_within:
                return fmt::format("{}:{:#x}@{}+{}", description.name, asked.code, asked.at,
                                   asked.within);
            }
        }
    }
    return {};
}

std::string hostility(const Plan& plan) {
    std::string all;
    for (const Hostility& lie : plan) {
        all += (all.empty() ? "" : " ") + hostility(lie);
    }
    return all;
}

std::string monitor_command_line(const RunOptions& options, std::optional<u32> ap_start) {
    std::string line = fmt::format("memory={} platform={} cbit={}", options.memory,
                                   options.platform, options.c_bit);
    line += fmt::format(" guest={}", guest_names[static_cast<unsigned>(options.kind)]);
    if (options.la57) {
        line += " la57=1";
    }
    if (options.takes_secret) {
        line += " secret=1";
    }
    if (options.x2apic) {
        line += " x2apic=1";
    }
    if (options.no_flash) {
        line += " no-flash=1";
    }
    if (options.secure_tsc) {
        line += " secure-tsc=1";
    }
    if (options.vcpus != 1) {
        line += fmt::format(" smp={}", options.vcpus);
    }
    if (ap_start) {
        line += fmt::format(" ap-start={}", *ap_start);
    }
    if (counts_time(options)) {
        line += " counted-time=1";
    }
    if (options.gdb != 0) {
        line += " gdb=1";
    }
    if (options.profile) {
        line += " profile=1";
    }
    if (!options.rmp.empty()) {
        line += " rmp=1";
    }
    if (!options.timeline.empty()) {
        line += " timeline=1";
    }
    if (!options.dump.empty()) {
        line += " dump=1";
    }
    for (std::size_t n = 0; n < options.code.count; ++n) {
        line += fmt::format(" code={:#x}-{:#x}", options.code.range[n].begin,
                            options.code.range[n].end);
    }
    if (options.canary != 0) {
        line += fmt::format(" canary={}", options.canary);
    }
    if (options.batch) {
        line += " batch=1";
    }
    if (options.limit != 0) {
        line += fmt::format(" limit={}", options.limit);
    }
    return options.from.is_given() ? line + " from=" + text_of(options.from)
                                   : line + " " + words_of_what_is_done(options);
}

std::string late_words(const RunOptions& options) {
    std::string words = words_of_what_is_done(options);
    words.resize(late_words_size);
    return words;
}

std::vector<std::string> qemu_command(const RunOptions& options, const InheritedFiles& files,
                                      const GuestNeeds& needs) {
    const u64 hidden = hidden_memory(options.memory, needs.files_size);
    // clang-format off
    std::vector<std::string> command{
        options.qemu,
        // TCG also where KVM is at hand: only its SVM emulation is known to behave.
        "-accel", "tcg",
        "-cpu", processor(options),
        // The guest's shared memory is the machine's own; a DIMM, which lands behind it and which
        // no firmware table of the guest's names, holds what is private.
        "-m", fmt::format("{}M,slots=1,maxmem={}M", options.memory / mib, (options.memory + hidden) / mib),
        "-object", memory("private", hidden, files.machine, files.machine ? files.machine->hidden : -1),
        "-device", "pc-dimm,memdev=private",
        "-object", memory("shared", options.memory, files.machine, files.machine ? files.machine->shared : -1),
        "-machine", "memory-backend=shared",
        "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
        // The debug port carries the monitor's records; not 0x402, which SeaBIOS writes to.
        "-chardev", fmt::format("file,id=records,path={}", path_of(files.records)),
        "-device", "isa-debugcon,chardev=records,iobase=0x5e9",
        // QEMU's monitor, for the one order that ends a run in good order.
        "-chardev", fmt::format("socket,id=orders,fd={}", files.orders),
        "-monitor", "chardev:orders", // not -mon, which QEMU 11 calls deprecated
        "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
        "-kernel", path_of(files.monitor),
        "-append", monitor_command_line(options, needs.ap_start),
        "-initrd", modules(files.guest),
    };
    // clang-format on
    if (options.gdb != 0) {
        // Stopped before the monitor's first instruction, so that no breakpoint comes too late.
        command.insert(command.end(), {"-chardev", fmt::format("socket,id=gdb,fd={}", files.gdb),
                                       "-gdb", "chardev:gdb", "-S"});
    }
    if (options.vcpus != 1) {
        command.insert(command.end(), {"-smp", fmt::format("{}", options.vcpus)});
    }
    if (counts_time(options)) {
        // The clock counts the CPU's instructions and nothing else, so that they can be counted by
        // it, and so that a run is the same every time. A quicker clock would spare OVMF half of
        // its looks at a timer while it waits, but timer interrupts would meet more of its code,
        // and so the moment at which it stops for ever (docs/sevsim.md): at two and at four
        // nanoseconds an instruction, one in ten of the machines tried did. Only a look at the
        // timer itself takes longer (hypervisor/ports.cpp).
        command.insert(command.end(), {"-icount", "shift=0,sleep=off"});
    }
    if (options.from.is_given()) {
        command.insert(command.end(), {"-fw_cfg", fmt::format("name={},file={}", late_words_file,
                                                              path_of(files.late_words))});
    }
    if (files.machine) {
        // It was stopped, and is to run where it goes on.
        command.insert(command.end(), {"-global", "migration.store-global-state=off"});
    }
    if (files.machine && files.machine->devices >= 0) {
        command.insert(command.end(), {"-incoming", "defer"}); // until it is told how
    }
    command.insert(command.end(), options.qemu_arguments.begin(), options.qemu_arguments.end());
    return command;
}

} // namespace vestibule::sevsim
