// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/campaign.h"

#include "sevsim/attack/draws.h"
#include "sevsim/attack/minimise.h"
#include "sevsim/attack/pool.h"
#include "sevsim/attack/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <unistd.h>

namespace vestibule::sevsim::attack {

namespace {

namespace fs = std::filesystem;
using Clock  = std::chrono::steady_clock;

/// Findings that end the same way at the same place are mostly one: no more of them are made small.
constexpr unsigned most_of_one_cause = 2;

/// Of an honest run, where no limit is given.
constexpr unsigned honest_timeout = 300;

std::string content_of(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

/// The plans of a directory in the order of their names, and what they are.
struct Corpus {
    std::vector<Lies> plans;
    std::string digest;
};

std::expected<Corpus, std::string> corpus_of(const std::string& directory) {
    Corpus corpus;
    if (directory.empty()) {
        return corpus;
    }
    std::vector<fs::path> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator{directory, error}) {
        if (entry.path().extension() == ".plan") {
            files.push_back(entry.path());
        }
    }
    if (error) {
        return std::unexpected(fmt::format("{}: {}", directory, error.message()));
    }
    std::ranges::sort(files);
    std::string all;
    for (const fs::path& file : files) {
        auto plan = lies_of(content_of(file));
        if (!plan) {
            return std::unexpected(fmt::format("{}: {}", file.string(), plan.error()));
        }
        if (!plan->empty()) {
            all += text_of(*plan) + "---\n";
            corpus.plans.push_back(std::move(*plan));
        }
    }
    corpus.digest = digest_of(all);
    return corpus;
}

/// A directory for the runs' files that goes with this object.
class Scratch {
  public:
    Scratch() {
        std::string name = (fs::temp_directory_path() / "sevsim-attack-XXXXXX").string();
        if (mkdtemp(name.data()) != nullptr) {
            path_ = name;
        }
    }

    ~Scratch() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }

    Scratch(const Scratch&)            = delete;
    Scratch& operator=(const Scratch&) = delete;

    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

/// The results' file, open behind its last whole line.
class ResultFile {
  public:
    /// Reads what is there; an error if that is another campaign's.
    std::expected<Results, std::string> open(const std::string& path, const Campaign& campaign) {
        Results results;
        const std::string text = content_of(path);
        // A first line without its end is nothing yet.
        if (text.find('\n') != std::string::npos) {
            auto read = results_of(text);
            if (!read) {
                return std::unexpected(fmt::format("{}: {}", path, read.error()));
            }
            if (read->campaign != campaign) {
                return std::unexpected(fmt::format(
                    "{}: there are results of another campaign: of another guest, seed, shard, "
                    "corpus or other kinds; expected those of this one, or another --out",
                    path));
            }
            results = std::move(*read);
        }
        results.campaign = campaign;
        file_.reset(std::fopen(path.c_str(), "ae"));
        if (!file_ || truncate(path.c_str(), static_cast<off_t>(results.whole)) != 0) {
            return std::unexpected(fmt::format("{}: {}", path, std::strerror(errno)));
        }
        if (results.whole == 0) {
            put(line_of(campaign));
        }
        return results;
    }

    /// Whole, and out of our hands: what kills us next takes no line with it.
    void put(const std::string& line) {
        failed_ |= std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size()
                   || std::fflush(file_.get()) != 0;
    }

    bool failed() const { return failed_; }

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    std::unique_ptr<std::FILE, Close> file_;
    bool failed_ = false;
};

/// Says how far it is, over one line of a terminal, elsewhere a line twice a minute.
class Progress {
  public:
    explicit Progress(bool quiet) : quiet_{quiet}, terminal_{isatty(STDERR_FILENO) != 0} {}

    ~Progress() { clear(); }

    Progress(const Progress&)            = delete;
    Progress& operator=(const Progress&) = delete;

    void say(const std::string& text) {
        const auto pause = terminal_ ? std::chrono::seconds{1} : std::chrono::seconds{30};
        if (quiet_ || Clock::now() < last_ + pause) {
            return;
        }
        last_  = Clock::now();
        shown_ = terminal_;
        fmt::print(stderr, "{}sevsim attack: {}{}", shown_ ? over_the_line : "", text,
                   shown_ ? "" : "\n");
    }

    void clear() {
        if (std::exchange(shown_, false)) {
            fmt::print(stderr, "{}", over_the_line);
        }
    }

  private:
    static constexpr const char* over_the_line = "\r\033[K";

    bool quiet_, terminal_;
    bool shown_             = false;
    Clock::time_point last_ = Clock::now();
};

/// The honest run that a guest's attacked ones are held against.
struct Guest {
    Ended honest;
    Places places;
    unsigned timeout = 0; ///< seconds of an attacked run
};

class Attack {
  public:
    Attack(const AttackOptions& options, Results& results, ResultFile& file, Drawing drawing,
           const std::string& scratch)
        : options_{options}, results_{results}, file_{file}, drawing_{std::move(drawing)},
          pool_{options.jobs}, runner_{options, pool_, scratch}, progress_{options.quiet} {
        known_ = results.places;
        for (const auto& [number, run] : results.runs) {
            if (is_finding(run.verdict)) {
                ++found_[{run.guest, run.cause}];
            }
        }
        for (const Finding& finding : results.findings) {
            told_.insert({finding.guest, finding.cause});
        }
    }

    std::expected<void, std::string> run_honestly();

    /// To the end; says why it was.
    std::string run_plans();

    int signal() const { return pool_.signal(); }

  private:
    using Cause = std::pair<u64, std::string>;

    bool has_from() const { return !options_.from.empty(); }

    /// Of a line that replays a finding, and starts at the guest's beginning.
    unsigned replay_limit(unsigned limit) const {
        return has_from() ? limit + honest_timeout : limit;
    }

    Judgement judged(std::size_t guest, const Seen& seen, const Lies& plan) const {
        const Guest& it = guests_[guest];
        return judge(it.honest, it.places, seen.ended, seen.places, plan, options_.oracle);
    }

    /// Of a finding's plan.
    std::string file_for(std::string_view what, u64 number) const {
        return (fs::path{options_.out} / fmt::format("finding-{}-{}.plan", what, number)).string();
    }

    std::optional<u64> next_number();

    std::size_t guest_of(u64 number) const { return number % guests_.size(); }

    Lies plan_of(u64 number) const;
    void start(u64 number);
    void start_batch(u64 first);
    void take(u64 number, std::size_t guest, const Lies& plan,
              const std::expected<Seen, std::string>& seen, bool again);
    void examine(u64 number, std::size_t guest, const Lies& drawn, const Judgement& first);
    void examine_all();
    void keep_for_corpus(u64 number, const Lies& plan);
    void find_honestly(std::size_t guest, const Ended& honest);
    void add(Finding finding);
    bool is_enough() const;
    bool is_time_up() const;
    std::string how_far() const;

    const AttackOptions& options_;
    Results& results_;
    ResultFile& file_;
    Drawing drawing_;
    Pool pool_;
    Runner runner_;
    Progress progress_;
    std::vector<Guest> guests_;
    PlaceSet known_;
    std::map<Cause, unsigned> found_;
    std::set<Cause> told_; ///< causes of findings that have their line
    std::map<Cause, unsigned> examined_;

    struct Waiting {
        u64 number;
        std::size_t guest;
        Lies plan;
        Judgement judgement;
    };

    std::vector<Waiting> waiting_; ///< findings that are not small yet
    std::vector<u64> singly_;      ///< numbers of plans that a batch has not come to
    std::vector<u64> later_;       ///< of plans for another guest than the batch's
    u64 next_                = 0;
    u64 begun_               = 0; ///< in this invocation
    Clock::time_point begin_ = Clock::now();
};

std::expected<void, std::string> Attack::run_honestly() {
    for (std::size_t n = 0; n < options_.guests.size(); ++n) {
        unsigned limit = options_.timeout != 0 ? options_.timeout : honest_timeout;
        auto seen      = runner_.run(n, {}, has_from() ? std::max(limit, honest_timeout) : limit);
        if (seen && has_from()) {
            // That one has kept the machine; what a run takes from there on is another's to show.
            seen = runner_.run(n, {}, limit);
        }
        if (!seen) {
            return std::unexpected(fmt::format("{}: {}", options_.guest_names[n], seen.error()));
        }
        const Ended& honest = seen->ended;
        if (honest.kind == "timeout" || honest.kind == "monitor-error"
            || honest.kind.starts_with("qemu")) {
            return std::unexpected(
                fmt::format("{}: an honest run comes to no end to compare with: {}",
                            options_.guest_names[n], honest.words));
        }
        // On a machine that does other things as well a run may take several times as long.
        constexpr unsigned slower = 4;
        constexpr unsigned least  = 10;
        const auto by_honest      = least + slower * static_cast<unsigned>(honest.seconds + 1);
        known_.insert(honest.places.begin(), honest.places.end());
        if (options_.oracle.ours) {
            find_honestly(n, honest);
        }
        guests_.push_back({.honest  = std::move(seen->ended),
                           .places  = std::move(seen->places),
                           .timeout = options_.timeout != 0 ? options_.timeout : by_honest});
        if (options_.plans.empty() && kinds_for(drawing_, guests_.back().places).empty()) {
            return std::unexpected(
                fmt::format("{}: none of these lies has a moment in it", options_.guest_names[n]));
        }
    }
    return {};
}

/// A rule that it breaks without a lie would be one that no lie makes it break.
void Attack::find_honestly(std::size_t guest, const Ended& honest) {
    Ended lawful = honest;
    lawful.broken.clear();
    const Judgement judgement = judge(lawful, {}, honest, {}, {}, {});
    if (!is_finding(judgement.verdict) || told_.contains({guest, judgement.cause})) {
        return;
    }
    Finding finding{.number   = 0,
                    .guest    = guest,
                    .verdict  = judgement.verdict,
                    .cause    = judgement.cause,
                    .why      = judgement.why + ", and nobody has lied",
                    .plan     = {},
                    .drawn    = {},
                    .file     = file_for("honest", guest),
                    .replay   = {},
                    .replayed = 0};
    finding.replay = runner_.replay_line(guest, finding.file, honest_timeout);
    add(std::move(finding));
}

void Attack::add(Finding finding) {
    told_.insert({finding.guest, finding.cause});
    std::ofstream{finding.file} << plan_file(finding);
    file_.put(line_of(finding));
    results_.findings.push_back(std::move(finding));
}

bool Attack::is_enough() const {
    return options_.enough && results_.findings.size() >= *options_.enough;
}

std::optional<u64> Attack::next_number() {
    if (!later_.empty()) {
        const u64 number = later_.front();
        later_.erase(later_.begin());
        return number;
    }
    while (!options_.runs || next_ < *options_.runs) {
        const u64 number = next_++;
        if (number % options_.shards == options_.shard - 1 && !results_.runs.contains(number)) {
            return number;
        }
    }
    return std::nullopt;
}

Lies Attack::plan_of(u64 number) const {
    return options_.plans.empty()
               ? draw_plan(options_.seed, number, drawing_, guests_[guest_of(number)].places)
               : options_.plans[number];
}

void Attack::start(u64 number) {
    const std::size_t guest = guest_of(number);
    const Lies plan         = plan_of(number);
    ++begun_;
    runner_.start(guest, plan, guests_[guest].timeout,
                  [this, number, guest, plan](const std::expected<Seen, std::string>& seen) {
                      take(number, guest, plan, seen, false);
                  });
}

/// The next plans of one guest. What a batch does not come to, since QEMU died or the guest cannot
/// be run in one, is run by itself.
void Attack::start_batch(u64 first) {
    const std::size_t guest = guest_of(first);
    std::vector<u64> numbers{first};
    while (numbers.size() < options_.batch) {
        const auto number = next_number();
        if (!number) {
            break;
        }
        if (guest_of(*number) != guest) {
            later_.push_back(*number);
            continue;
        }
        numbers.push_back(*number);
    }
    std::vector<Lies> plans;
    plans.reserve(numbers.size());
    for (const u64 number : numbers) {
        plans.push_back(plan_of(number));
    }
    begun_ += numbers.size();
    runner_.start_batch(guest, plans, guests_[guest].timeout,
                        [this, guest, numbers,
                         plans](std::size_t index, const std::expected<Seen, std::string>& seen) {
                            if (seen) {
                                take(numbers[index], guest, plans[index], seen, false);
                            } else if (pool_.signal() == 0) {
                                --begun_;
                                singly_.push_back(numbers[index]);
                            }
                        });
}

void Attack::take(u64 number, std::size_t guest, const Lies& plan,
                  const std::expected<Seen, std::string>& seen, bool again) {
    if (pool_.signal() != 0) {
        return; // it was ended by us, and says nothing
    }
    if (!seen) {
        const std::string cause = "sevsim: " + seen.error();
        RunLine failed{.number  = number,
                       .guest   = guest,
                       .plan    = words_of(plan),
                       .verdict = Verdict::failed,
                       .cause   = cause,
                       .end     = seen.error()};
        file_.put(line_of(failed, {}));
        waiting_.push_back({
            number, guest, plan, {Verdict::failed, cause, seen.error()}
        });
        results_.runs.insert_or_assign(number, std::move(failed));
        return;
    }
    const Ended& ended = seen->ended;
    // A busy machine makes guests that seem to hang: they get more time.
    if (ended.kind == "timeout" && !again && options_.oracle.ours) {
        constexpr unsigned longer = 8;
        runner_.start(guest, plan, longer * guests_[guest].timeout,
                      [this, number, guest, plan](const std::expected<Seen, std::string>& second) {
                          take(number, guest, plan, second, true);
                      });
        return;
    }
    const Judgement judgement = judged(guest, *seen, plan);
    RunLine run{.number  = number,
                .guest   = guest,
                .plan    = words_of(plan),
                .verdict = judgement.verdict,
                .cause   = judgement.cause,
                .end     = ended.words,
                .told    = ended.told,
                .seconds = ended.seconds};
    PlaceSet fresh;
    std::ranges::set_difference(ended.places, known_, std::inserter(fresh, fresh.end()));
    run.new_places = fresh.size();
    known_.insert(fresh.begin(), fresh.end());
    results_.places.insert(fresh.begin(), fresh.end());
    file_.put(line_of(run, fresh));
    if (!fresh.empty()) {
        keep_for_corpus(number, plan);
    }
    if (is_finding(judgement.verdict)) {
        ++found_[{guest, judgement.cause}];
        waiting_.push_back({number, guest, plan, judgement});
    }
    results_.runs.insert_or_assign(number, std::move(run));
}

void Attack::keep_for_corpus(u64 number, const Lies& plan) {
    const fs::path directory = fs::path{options_.out} / "corpus";
    std::error_code ignored;
    fs::create_directories(directory, ignored);
    std::ofstream{directory / fmt::format("{}-{:06}.plan", options_.seed, number)} << text_of(plan);
}

void Attack::examine(u64 number, std::size_t guest, const Lies& drawn, const Judgement& first) {
    unsigned& before = examined_[{guest, first.cause}];
    if (before >= most_of_one_cause || told_.contains({guest, first.cause})) {
        return;
    }
    ++before;
    // Twice the time, for the same reason as above.
    const unsigned limit = 2 * guests_[guest].timeout;
    Judgement seen_last  = first;
    const auto is_found  = [&](const Lies& plan) {
        if (pool_.signal() != 0) {
            return false;
        }
        progress_.say(how_far() + ", making a finding small");
        const auto seen = runner_.run(guest, plan, limit);
        if (!seen || pool_.signal() != 0) {
            return false;
        }
        const Judgement now = judged(guest, *seen, plan);
        // Another finding is another one's, however small it is.
        if (now.verdict != first.verdict || now.cause != first.cause) {
            return false;
        }
        seen_last = now;
        return true;
    };
    const Lies small = minimised(drawn, is_found, options_.minimising);
    Finding finding{
        .number  = number,
        .guest   = guest,
        .verdict = first.verdict,
        .cause   = {},
        .why     = {},
        .plan    = words_of(small),
        .drawn   = words_of(drawn),
        .file = (fs::path{options_.out} / fmt::format("finding-{}-{}.plan", options_.seed, number))
                    .string(),
        .replay = {}};
    constexpr unsigned replays = 2;
    for (unsigned n = 0; n < replays; ++n) {
        finding.replayed += is_found(small) ? 1 : 0;
    }
    if (pool_.signal() != 0) {
        return; // the next invocation examines it again
    }
    finding.cause  = seen_last.cause;
    finding.why    = seen_last.why;
    finding.replay = runner_.replay_line(guest, finding.file, replay_limit(limit));
    if (!told_.contains({guest, finding.cause})) {
        add(std::move(finding));
    }
}

void Attack::examine_all() {
    while (!waiting_.empty() && pool_.signal() == 0 && !is_enough()) {
        const Waiting next = std::move(waiting_.front());
        waiting_.erase(waiting_.begin());
        examine(next.number, next.guest, next.plan, next.judgement);
    }
}

bool Attack::is_time_up() const {
    return options_.budget.count() != 0 && Clock::now() - begin_ >= options_.budget;
}

std::string Attack::how_far() const {
    const double minutes =
        std::chrono::duration<double, std::ratio<60>>(Clock::now() - begin_).count();
    return fmt::format(
        "{} runs{}, {:.0f} a minute, {} findings, {} new places", results_.runs.size(),
        options_.runs ? fmt::format(" of {}", *options_.runs / options_.shards) : std::string{},
        static_cast<double>(begun_) / minutes, results_.findings.size(), results_.places.size());
}

std::string Attack::run_plans() {
    // What an earlier invocation found and did not come to examine.
    for (const auto& [number, run] : results_.runs) {
        if (is_finding(run.verdict) && !told_.contains({run.guest, run.cause})) {
            std::string text;
            for (const std::string& lie : run.plan) {
                text += lie + "\n";
            }
            if (const auto plan = lies_of(text)) {
                waiting_.push_back({
                    number, run.guest, *plan, {run.verdict, run.cause, run.end}
                });
            }
        }
    }
    std::string why = "runs";
    bool more       = true;
    while (pool_.signal() == 0 && !file_.failed()) {
        while (more && pool_.has_room()) {
            if (is_time_up() || is_enough()) {
                why  = is_enough() ? "findings" : "budget";
                more = false;
                break;
            }
            if (!singly_.empty()) {
                start(singly_.back());
                singly_.pop_back();
                continue;
            }
            const auto number = next_number();
            if (!number) {
                break;
            }
            if (options_.batch > 1) {
                start_batch(*number);
            } else {
                start(*number);
            }
        }
        if (pool_.is_empty() && (waiting_.empty() || is_enough())) {
            break; // nothing to wait for, and nothing was started
        }
        examine_all(); // meanwhile those that are running may end
        if (!pool_.is_empty()) {
            constexpr std::chrono::seconds a_while{1};
            pool_.wait(a_while);
        }
        progress_.say(how_far());
    }
    progress_.clear();
    if (pool_.signal() != 0) {
        why = "interrupted";
        pool_.end_all();
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    file_.put(stop_line(why, results_.runs.size(), results_.findings.size(), results_.places.size(),
                        seconds));
    return why;
}

std::expected<Campaign, std::string> campaign_of(const AttackOptions& options,
                                                 const Corpus& corpus) {
    Campaign campaign{.guests  = {},
                      .options = options.options,
                      .seed    = options.seed,
                      .kinds   = {},
                      .most    = options.most,
                      .uniform = options.uniform,
                      .corpus  = corpus.plans.empty() ? "" : corpus.digest,
                      .shard   = options.shard,
                      .shards  = options.shards};
    campaign.options.insert(campaign.options.end(), options.behind.begin(), options.behind.end());
    for (const Kind& kind : options.kinds) {
        campaign.kinds.push_back(name_of(kind));
    }
    if (!options.plans.empty()) {
        std::string all;
        for (const Lies& plan : options.plans) {
            all += text_of(plan) + "---\n";
        }
        campaign.plans = digest_of(all);
    }
    for (std::size_t n = 0; n < options.guests.size(); ++n) {
        // What is no guest itself is what all of them boot.
        std::string all;
        for (const std::string& file : options.files) {
            const bool is_guest =
                std::ranges::find(options.guest_names, file) != options.guest_names.end();
            if (!is_guest || file == options.guest_names[n]) {
                if (access(file.c_str(), R_OK) != 0) {
                    return std::unexpected(fmt::format("{}: {}", file, std::strerror(errno)));
                }
                all += digest_of(content_of(file)) + "\n";
            }
        }
        campaign.guests.push_back({options.guest_names[n], digest_of(all)});
    }
    return campaign;
}

} // namespace

std::string shell_words(const std::vector<std::string>& words) {
    constexpr std::string_view plain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./=,:@+%";
    std::string line;
    for (const std::string& word : words) {
        line += line.empty() ? "" : " ";
        if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) {
            line += word;
            continue;
        }
        line += '\'';
        for (const char c : word) {
            line += c == '\'' ? std::string{"'\\''"} : std::string{c};
        }
        line += '\'';
    }
    return line;
}

std::string plan_file(const Finding& finding) {
    std::string text =
        fmt::format("# {}: {}\n# {}\n", name_of(finding.verdict), finding.why, finding.replay);
    for (const std::string& lie : finding.plan) {
        text += lie + "\n";
    }
    return text;
}

std::expected<CampaignEnd, std::string> run_campaign(const AttackOptions& options) {
    const auto corpus = corpus_of(options.corpus);
    if (!corpus) {
        return std::unexpected(corpus.error());
    }
    auto campaign = campaign_of(options, *corpus);
    if (!campaign) {
        return std::unexpected(campaign.error());
    }
    std::error_code error;
    fs::create_directories(options.out, error);
    if (error) {
        return std::unexpected(fmt::format("{}: {}", options.out, error.message()));
    }
    CampaignEnd end;
    end.file = (fs::path{options.out}
                / (options.shards == 1
                       ? std::string{"attack.jsonl"}
                       : fmt::format("attack-{}-of-{}.jsonl", options.shard, options.shards)))
                   .string();
    ResultFile file;
    auto results = file.open(end.file, *campaign);
    if (!results) {
        return std::unexpected(results.error());
    }
    end.results = std::move(*results);
    const Scratch scratch;
    if (scratch.path().empty()) {
        return std::unexpected(
            fmt::format("no directory for temporary files: {}", std::strerror(errno)));
    }
    Attack attack{
        options, end.results, file,
        Drawing{.kinds   = options.kinds,
                .snp     = options.snp,
                .late    = !options.from.empty(),
                .uniform = options.uniform,
                .most    = options.most,
                .corpus  = corpus->plans},
        scratch.path()
    };
    if (const auto honest = attack.run_honestly(); !honest && attack.signal() == 0) {
        return std::unexpected(honest.error());
    }
    end.why    = attack.signal() != 0 ? "interrupted" : attack.run_plans();
    end.signal = attack.signal();
    if (file.failed()) {
        return std::unexpected(end.file + ": could not be written");
    }
    return end;
}

} // namespace vestibule::sevsim::attack
