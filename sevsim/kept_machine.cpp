// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/kept_machine.h"

#include "igvm/format/hex.h"
#include "igvm/measure/digest.h"
#include "sevsim/from_text.h"
#include "sevsim/late_words.h"
#include "sevsim/process.h"
#include "sevsim/records.h"
#include "sevsim/report.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sys/socket.h>
#include <sys/stat.h>

namespace vestibule::sevsim {

namespace {

namespace fs = std::filesystem;

std::string digest(std::string_view bytes) {
    return igvm::to_hex(igvm::sha256({reinterpret_cast<const u8*>(bytes.data()), bytes.size()}));
}

/// All that decides what the machine is when it is kept. What the secure processor is given for a
/// launch, which comes first, holds keys that are new each time.
std::string identity(const RunOptions& options, const GuestFiles& guest,
                     std::span<const unsigned char> monitor) {
    const InheritedFiles none{
        .monitor    = 0,
        .guest      = {},
        .records    = 0,
        .orders     = 0,
        .late_words = 0,
        .machine    = MachineFiles{.shared = 0, .hidden = 0}
    };
    std::string text;
    for (const std::string& word : qemu_command(options, none, {guest.size(), guest.ap_start})) {
        text += word + "\n";
    }
    for (const OpenedFile& file : std::span{guest.files}.subspan(options.is_snp() ? 1 : 0)) {
        text += digest(read_file(file)) + "\n";
    }
    text += fmt::format("{} {} {} {}\n", options.root, options.report_version, options.vlek,
                        igvm::to_hex(options.host_data));
    return text + digest({reinterpret_cast<const char*>(monitor.data()), monitor.size()}) + "\n";
}

std::string content_of(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::unexpected<std::string> failed(const fs::path& path) {
    return std::unexpected(fmt::format("{}: {}", path.string(), std::strerror(errno)));
}

std::expected<OpenedFile, std::string> open_part(const fs::path& path, int flags, u64 size = 0) {
    constexpr mode_t readable = 0600; // it holds what is private
    Descriptor file{open(path.c_str(), flags | O_CLOEXEC, readable)};
    struct stat status{};
    if (!file || (size != 0 && ftruncate(file.get(), static_cast<off_t>(size)) != 0)
        || fstat(file.get(), &status) != 0) {
        return failed(path);
    }
    return OpenedFile{std::move(file), static_cast<u64>(status.st_size)};
}

std::expected<KeptMachine, std::string> open_parts(const fs::path& directory) {
    auto shared  = open_part(directory / "shared", O_RDWR);
    auto hidden  = open_part(directory / "hidden", O_RDWR);
    auto devices = open_part(directory / "devices", O_RDONLY);
    if (!shared || !hidden || !devices) {
        return std::unexpected(!shared   ? shared.error()
                               : !hidden ? hidden.error()
                                         : devices.error());
    }
    return KeptMachine{std::move(*shared), std::move(*hidden), std::move(*devices),
                       content_of(directory / "records")};
}

/// To both sides: memory that is in files already is not part of the state that is written.
constexpr std::string_view leave_memory_out = "migrate_set_capability x-ignore-shared on\n";

bool order(int orders, std::string_view text) {
    return send(orders, text.data(), text.size(), MSG_NOSIGNAL)
           == static_cast<ssize_t>(text.size());
}

/// Orders for QEMU's monitor: to stop, to write the state of its devices into the file that comes
/// along, which then is all but memory, and to end. False where they cannot be given.
bool order_to_keep(int orders, int devices) {
    std::string text = "stop\ngetfd devices\nmigrate fd:devices\nquit\n";
    iovec part{.iov_base = text.data(), .iov_len = text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof devices)> control{};
    msghdr message{};
    message.msg_iov        = &part;
    message.msg_iovlen     = 1;
    message.msg_control    = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header  = CMSG_FIRSTHDR(&message);
    header->cmsg_level     = SOL_SOCKET;
    header->cmsg_type      = SCM_RIGHTS;
    header->cmsg_len       = CMSG_LEN(sizeof devices);
    std::memcpy(CMSG_DATA(header), &devices, sizeof devices);
    return sendmsg(orders, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

std::expected<Descriptor, std::string> duplicate(const Descriptor& file) {
    Descriptor copy{fcntl(file.get(), F_DUPFD_CLOEXEC, 0)};
    if (!copy) {
        return std::unexpected(fmt::format("no descriptor: {}", std::strerror(errno)));
    }
    return copy;
}

/// Runs the guest until it has come to options.from, and QEMU has ended behind that. False where
/// the guest was past it before QEMU had stopped, since this computer had other things to do.
std::expected<bool, std::string> keep(const RunOptions& options, const GuestFiles& guest,
                                      std::span<const unsigned char> monitor,
                                      const fs::path& directory) {
    const u64 hidden_size = hidden_memory(options.memory, guest.size());
    auto shared  = open_part(directory / "shared", O_RDWR | O_CREAT | O_TRUNC, options.memory);
    auto hidden  = open_part(directory / "hidden", O_RDWR | O_CREAT | O_TRUNC, hidden_size);
    auto devices = open_part(directory / "devices", O_RDWR | O_CREAT | O_TRUNC);
    auto kernel  = memory_file(std::as_bytes(monitor));
    const std::string nothing(late_words_size, '\0');
    auto words   = memory_file(std::as_bytes(std::span{nothing}));
    auto records = Pipe::open();
    auto serial  = Pipe::open();
    auto orders  = Pipe::open_both_ways();
    for (const auto* file : {&shared, &hidden, &devices, &kernel, &words}) {
        if (!*file) {
            return std::unexpected(file->error());
        }
    }
    if (!records || !serial || !orders) {
        return std::unexpected("no descriptor for one more file");
    }
    Command command;
    std::vector<int> guests;
    for (const OpenedFile& file : guest.files) {
        auto copy = duplicate(file.descriptor);
        if (!copy) {
            return std::unexpected(copy.error());
        }
        guests.push_back(copy->get());
        command.inherited.push_back(std::move(*copy));
    }
    command.arguments = qemu_command(
        options,
        {
            .monitor    = kernel->descriptor.get(),
            .guest      = guests,
            .records    = records->write.get(),
            .orders     = orders->read.get(),
            .late_words = words->descriptor.get(),
            .machine    = MachineFiles{shared->descriptor.get(), hidden->descriptor.get()}
    },
        {guest.size(), guest.ap_start});
    command.standard_output = std::move(serial->write);
    for (Descriptor* file : {&kernel->descriptor, &words->descriptor, &shared->descriptor,
                             &hidden->descriptor, &records->write, &orders->read}) {
        command.inherited.push_back(std::move(*file));
    }
    const int to_qemu = orders->write.get();
    bool ordered      = false;
    bool obeyed       = order(to_qemu, leave_memory_out);
    std::string told;
    RecordReader reader{{}, [](std::string_view) {}};
    command.timeout = options.timeout;
    command.orders  = std::move(orders->write);
    command.streams.push_back(
        {.from = std::move(serial->read), .take = [](std::string_view) { return true; }});
    command.streams.push_back(
        {.from = std::move(records->read), .take = [&](std::string_view bytes) {
             told += bytes;
             reader.take(bytes);
             if (reader.records().from_here_on && !ordered) {
                 ordered = true;
                 obeyed &= order_to_keep(to_qemu, devices->descriptor.get());
             }
             return obeyed;
         }});
    const auto end = run_process(std::move(command));
    if (!end) {
        return std::unexpected(end.error());
    }
    const RunRecords& records_of_it = reader.records();
    struct stat status{};
    if (ordered && !records_of_it.outcome && end->how == Ending::exited
        && fstat(devices->descriptor.get(), &status) == 0 && status.st_size != 0) {
        std::ofstream{directory / "records", std::ios::binary} << told;
        return true;
    }
    if (ordered && records_of_it.outcome && records_of_it.outcome->detail == stopped_too_late) {
        return false;
    }
    return std::unexpected(fmt::format(
        "the guest's machine could not be kept at --from {}: {}", text_of(options.from),
        outcome_line(RunResult{
            .records = records_of_it, .qemu = *end, .timeout = options.timeout, .allowed = {}})));
}

} // namespace

std::string from_contradiction(const RunOptions& options) {
    if (!options.from.is_given()) {
        return {};
    }
    if (options.platform != "sev-es" && !options.is_snp()) {
        return fmt::format("--from is for sev-es and sev-snp: a guest on {} has no VMGEXIT",
                           options.platform);
    }
    if (options.vcpus != 1) {
        return "--from is for a guest with one vCPU (--vcpus)";
    }
    for (const Hostility& lie : options.hostile) {
        if (is_told_at_launch(lie.lie)) {
            return fmt::format("{} is told while the guest is loaded, before --from",
                               hostility(lie));
        }
    }
    if (!options.snapshot.empty() && options.gdb != 0) {
        return "--gdb waits for a machine's start, and one of --snapshot has started";
    }
    if (!options.snapshot.empty() && !options.session.empty()) {
        return "--session: an owner launches a machine once, and one of --snapshot is started "
               "often";
    }
    return {};
}

bool order_to_go_on(int orders, const KeptMachine& machine) {
    return order(orders, fmt::format("{}migrate_incoming fd:{}\n", leave_memory_out,
                                     machine.devices.descriptor.get()));
}

std::expected<KeptMachine, std::string> kept_machine(const RunOptions& options,
                                                     const GuestFiles& guest,
                                                     std::span<const unsigned char> monitor) {
    const fs::path directory{options.snapshot};
    const fs::path name      = directory / "machine"; // there when all else is
    const std::string wanted = identity(options, guest, monitor);
    if (fs::exists(name)) {
        if (content_of(name) != wanted) {
            return std::unexpected(fmt::format("{}: there is another machine, of another guest, "
                                               "other options or another --from; expected this one "
                                               "or an empty directory",
                                               options.snapshot));
        }
        return open_parts(directory);
    }
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) {
        return std::unexpected(fmt::format("{}: {}", options.snapshot, error.message()));
    }
    constexpr unsigned most_tries = 5;
    std::expected<bool, std::string> kept{false};
    for (unsigned tries = 0; tries < most_tries && kept && !*kept; ++tries) {
        kept = keep(options, guest, monitor, directory);
    }
    if (!kept || !*kept) {
        return std::unexpected(kept ? std::string{stopped_too_late} : kept.error());
    }
    if (!(std::ofstream{name, std::ios::binary} << wanted).flush()) {
        return failed(name);
    }
    return open_parts(directory);
}

} // namespace vestibule::sevsim
