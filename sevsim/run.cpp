// SPDX-License-Identifier: BSD-2-Clause-Patent
// Files, pipes and QEMU put together.
#include "sevsim/run.h"

#include "sevsim/gdb_server.h"
#include "sevsim/igvm_guest.h"
#include "sevsim/kept_machine.h"
#include "sevsim/memory_map.h"
#include "sevsim/memory_picture.h"
#include "sevsim/opened_guest.h"
#include "sevsim/process.h"
#include "sevsim/qemu_command.h"
#include "sevsim/qemu_version.h"
#include "sevsim/timeline.h"
#include "sevsim/trace.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <optional>

namespace vestibule::sevsim {

namespace {

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t put = write(fd, bytes.data(), bytes.size());
        if (put < 0 && errno != EINTR) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(put, 0)));
    }
    return true;
}

/// The file of --trace, --dump, --timeline or --rmp, or nothing.
class OutputFile {
  public:
    explicit OutputFile(const std::string& path)
        : path_{path},
          file_{path.empty() ? nullptr : std::fopen(path.c_str(), "we"), &std::fclose} {
        if (get() == nullptr && !path.empty()) {
            error_ = errno;
        }
    }

    std::FILE* get() const { return file_.get(); }

    void put(std::string_view text) const { std::fwrite(text.data(), 1, text.size(), get()); }

    /// What went wrong so far, or nothing.
    std::optional<std::string> error() {
        if (get() != nullptr && (std::fflush(get()) != 0 || std::ferror(get()) != 0)) {
            error_ = errno;
        }
        return error_ == 0 ? std::nullopt
                           : std::optional{fmt::format("{}: {}", path_, std::strerror(error_))};
    }

  private:
    std::string path_;
    int error_ = 0;
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

/// Says the first few of what may be very many complaints.
class Complaints {
  public:
    void operator()(std::string_view what) {
        constexpr unsigned most = 5;
        if (said_++ < most) {
            fmt::print(stderr, "sevsim: {}\n", printable(what));
        } else if (said_ == most + 1) {
            fmt::print(stderr, "sevsim: further records like these are not shown\n");
        }
    }

  private:
    unsigned said_ = 0;
};

} // namespace

std::expected<RunResult, std::string> run_guest(const RunOptions& asked,
                                                std::span<const unsigned char> monitor) {
    const bool judged = asked.kind == GuestKind::igvm && !asked.unjudged;
    const auto adapted =
        judged ? options_for_igvm(asked) : std::expected<RunOptions, std::string>(asked);
    if (!adapted) {
        return std::unexpected(adapted.error());
    }
    const RunOptions& options = *adapted;
    if (std::string wrong = from_contradiction(options); !wrong.empty()) {
        return std::unexpected(std::move(wrong)); // by what the IGVM file says
    }
    Symbols symbols;
    for (const std::string& file : options.symbols) {
        if (const auto added = symbols.add(file); !added) {
            return std::unexpected(added.error());
        }
    }
    auto guest = open_guest_files(options);
    if (!guest) {
        return std::unexpected(guest.error());
    }
    const GuestNeeds needs{guest->size(), guest->ap_start};
    if (const auto version = check_qemu(options.qemu); !version) {
        return std::unexpected(version.error());
    }
    auto kernel  = memory_file(std::as_bytes(monitor));
    auto records = Pipe::open();
    auto serial  = Pipe::open();
    auto orders  = Pipe::open_both_ways();
    if (!kernel || !records || !serial || !orders) {
        return std::unexpected(!kernel    ? kernel.error()
                               : !records ? records.error()
                               : !serial  ? serial.error()
                                          : orders.error());
    }
    std::optional<KeptMachine> machine;
    if (!options.snapshot.empty()) {
        auto kept = kept_machine(options, *guest, monitor);
        if (!kept) {
            return std::unexpected(kept.error());
        }
        machine = std::move(*kept);
    }
    OpenedFile words{}; // what is told at options.from
    if (options.from.is_given()) {
        const std::string text = late_words(options);
        auto file              = memory_file(std::as_bytes(std::span{text}));
        if (!file) {
            return std::unexpected(file.error());
        }
        words = std::move(*file);
    }
    std::unique_ptr<GdbServer> gdb;
    Descriptor gdb_end;
    if (options.gdb != 0) {
        auto server = GdbServer::start(options.gdb, memory_map(options.memory).device());
        if (!server) {
            return std::unexpected(server.error());
        }
        gdb     = std::move(*server);
        gdb_end = gdb->take_qemu_end();
        fmt::print(stderr, "sevsim: waiting for gdb: target remote :{}\n", options.gdb);
    }
    OutputFile trace{options.trace};
    OutputFile dump{options.dump};
    OutputFile picture{options.timeline};
    OutputFile memory{options.rmp};
    for (OutputFile* file : {&trace, &dump, &picture, &memory}) {
        if (const auto error = file->error()) {
            return std::unexpected(*error);
        }
    }

    std::unique_ptr<Trace> writer;
    RecordReader::Sink to_trace;
    RecordReader::Sink to_dump;
    if (trace.get() != nullptr) {
        writer   = make_trace(options.trace_format, options.file, std::move(symbols),
                              [&trace](std::string_view text) { trace.put(text); });
        to_trace = [&writer](std::string_view line) { writer->take(line); };
    }
    if (dump.get() != nullptr) {
        to_dump = [&dump](std::string_view bytes) { dump.put(bytes); };
    }
    RecordReader reader{to_trace, Complaints{}, to_dump};
    bool output_failed = false;
    bool line_open     = false;
    std::string kept;
    Command command;
    command.timeout     = options.timeout;
    command.takes_input = true;
    command.arguments =
        qemu_command(options,
                     {kernel->descriptor.get(), guest->descriptors(), records->write.get(),
                      orders->read.get(), gdb_end.get(), words.descriptor.get(),
                      machine ? std::optional{machine->files()} : std::nullopt},
                     needs);
    command.standard_output = std::move(serial->write);
    command.inherited.push_back(std::move(kernel->descriptor));
    for (OpenedFile& file : guest->files) {
        command.inherited.push_back(std::move(file.descriptor));
    }
    command.inherited.push_back(std::move(records->write));
    command.inherited.push_back(std::move(orders->read));
    if (words.descriptor) {
        command.inherited.push_back(std::move(words.descriptor));
    }
    if (machine) {
        reader.take(machine->records);
        if (!order_to_go_on(orders->write.get(), *machine)) {
            return std::unexpected("QEMU's monitor takes no orders");
        }
        for (OpenedFile* file : {&machine->shared, &machine->hidden, &machine->devices}) {
            command.inherited.push_back(std::move(file->descriptor));
        }
    }
    if (gdb_end) {
        command.inherited.push_back(std::move(gdb_end));
    }
    // An NMI that no vCPU has sent (sevsim/monitor/processor/processors.cpp). The native platform's
    // monitor leaves NMIs to its guest.
    if (options.platform != "native") {
        command.orders    = std::move(orders->write);
        command.end_order = "nmi\n";
    }
    command.streams.push_back({.from = std::move(serial->read),
                               .take =
                                   [&](std::string_view bytes) {
                                       constexpr std::size_t most_kept = 16 * mib;
                                       if ((options.keeps_output || picture.get() != nullptr)
                                           && kept.size() < most_kept) {
                                           kept += bytes;
                                       }
                                       output_failed |= !write_all(options.output, bytes);
                                       line_open = !bytes.ends_with('\n');
                                       return !output_failed;
                                   },
                               .into = options.output});
    command.streams.push_back(
        {.from = std::move(records->read), .take = [&](std::string_view bytes) {
             reader.take(bytes);
             return true;
         }});
    command.finished = [&] { return reader.records().outcome.has_value(); };

    const auto end = run_process(std::move(command));
    if (!end) {
        return std::unexpected(end.error());
    }
    const bool by_itself = end->how == Ending::exited || end->how == Ending::killed;
    reader.finish(by_itself ? RecordReader::End::by_itself : RecordReader::End::stopped);
    if (writer != nullptr) {
        writer->finish();
    }
    RunResult result{.records       = reader.records(),
                     .qemu          = *end,
                     .timeout       = options.timeout,
                     .line_open     = line_open,
                     .allowed       = options.allowed,
                     .launch_digest = guest->launch_digest};
    result.output    = std::move(kept);
    result.guest     = options.file;
    result.hostility = hostility(options.hostile);
    if (picture.get() != nullptr) {
        picture.put(timeline(result));
    }
    if (memory.get() != nullptr) {
        memory.put(memory_picture(result));
    }
    // What could not be written is no reason to keep the report back.
    for (OutputFile* file : {&trace, &dump, &picture, &memory}) {
        if (const auto error = file->error()) {
            result.unwritten.push_back(*error);
        }
    }
    if (output_failed) {
        result.unwritten.emplace_back("the guest's output could not be written");
    }
    return result;
}

} // namespace vestibule::sevsim
