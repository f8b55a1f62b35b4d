/*
 * A TCTI for tests, loaded by libtss2-tctildr as "PATH:CONF". It answers each command with success after the number of
 * receive calls that CONF's letters say, and can be cancelled. Letters of CONF:
 *   p  says what to poll: a socket that is readable when the response is there
 *   w  the response comes only when the command is cancelled (TPM_RC_CANCELED)
 *   t  receive says TRY_AGAIN twice before each response
 *   b  receive says that the response is larger than the buffer is
 *   s  transmit fails with IO_ERROR
 *   n  has no function but transmit and receive
 *   l  refuses every locality but 0 with BAD_VALUE
 *   o  names POLLOUT too in what to poll, as tcti-mssim and tcti-device do
 *   h  cancel does not come back
 *   k  receive does not come back
 * A path after the letters is a file that a cancel makes, and a receive that does not come back.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <poll.h>
#include <sys/socket.h>

#define RC(base) ((10u << 16) | (base))
#define RC_NOT_IMPLEMENTED RC(2)
#define RC_BAD_SEQUENCE RC(7)
#define RC_TRY_AGAIN RC(9)
#define RC_IO_ERROR RC(10)
#define RC_BAD_VALUE RC(11)

struct context {
    uint64_t magic;
    uint32_t version;
    uint32_t (*transmit)(struct context *, size_t, const uint8_t *);
    uint32_t (*receive)(struct context *, size_t *, uint8_t *, int32_t);
    void (*finalize)(struct context *);
    uint32_t (*cancel)(struct context *);
    uint32_t (*get_poll_handles)(struct context *, struct pollfd *, size_t *);
    uint32_t (*set_locality)(struct context *, uint8_t);
    uint32_t (*make_sticky)(struct context *, uint32_t *, uint8_t);
    char conf[256];
    const char *mark;
    int pipe[2];
    int is_running, is_answered;
    int tries;
    uint8_t code[4];
};

struct info {
    uint32_t version;
    const char *name, *description, *help;
    uint32_t (*init)(struct context *, size_t *, const char *);
};

static int has(const struct context *context, char letter)
{
    return memchr(context->conf, letter, context->mark - context->conf) != NULL;
}

static void leave_mark(const struct context *context)
{
    if (*context->mark != 0)
        close(open(context->mark, O_CREAT | O_WRONLY, 0600));
}

static void respond(struct context *context, uint32_t code)
{
    if (context->is_answered++)
        return;
    context->code[2] = code >> 8;
    context->code[3] = code & 0xFF;
    if (write(context->pipe[1], "", 1) != 1)
        abort();
}

static uint32_t transmit(struct context *context, size_t size, const uint8_t *command)
{
    (void)command;
    if (context->is_running || size < 10)
        return RC_BAD_SEQUENCE;
    if (has(context, 's'))
        return RC_IO_ERROR;
    context->is_running = 1;
    context->is_answered = 0;
    context->tries = has(context, 't') ? 2 : 0;
    if (!has(context, 'w'))
        respond(context, 0);
    return 0;
}

static uint32_t receive(struct context *context, size_t *size, uint8_t *response, int32_t timeout)
{
    static const uint8_t start[6] = { 0x80, 0x01, 0, 0, 0, 10 };
    struct pollfd ready = { .fd = context->pipe[0], .events = POLLIN };
    char scrap;

    if (!context->is_running)
        return RC_BAD_SEQUENCE;
    while (has(context, 'k')) {
        leave_mark(context);
        pause();
    }
    if (context->tries-- > 0 || poll(&ready, 1, timeout) != 1)
        return RC_TRY_AGAIN;
    if (read(context->pipe[0], &scrap, 1) != 1)
        return RC_IO_ERROR;
    context->is_running = 0;
    memcpy(response, start, sizeof start);
    memcpy(response + sizeof start, context->code, 4);
    *size = has(context, 'b') ? *size + 1 : 10;
    return 0;
}

static void finalize(struct context *context)
{
    close(context->pipe[0]);
    close(context->pipe[1]);
}

static uint32_t cancel(struct context *context)
{
    if (!context->is_running)
        return RC_BAD_SEQUENCE;
    leave_mark(context);
    if (has(context, 'w'))
        respond(context, 0x909);
    while (has(context, 'h'))
        pause();
    return 0;
}

static uint32_t get_poll_handles(struct context *context, struct pollfd *handles, size_t *count)
{
    if (!has(context, 'p'))
        return RC_NOT_IMPLEMENTED;
    if (handles != NULL) {
        handles[0].fd = context->pipe[0];
        handles[0].events = has(context, 'o') ? POLLIN | POLLOUT : POLLIN;
        handles[0].revents = 0;
    }
    *count = 1;
    return 0;
}

static uint32_t set_locality(struct context *context, uint8_t locality)
{
    return has(context, 'l') && locality != 0 ? RC_BAD_VALUE : 0;
}

static uint32_t init(struct context *context, size_t *size, const char *conf)
{
    if (context == NULL) {
        *size = sizeof *context;
        return 0;
    }
    memset(context, 0, sizeof *context);
    strncpy(context->conf, conf == NULL ? "" : conf, sizeof context->conf - 1);
    context->mark = context->conf + strcspn(context->conf, "/");
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, context->pipe) != 0)
        return RC_IO_ERROR;
    context->version = 2;
    context->transmit = transmit;
    context->receive = receive;
    context->finalize = finalize;
    if (!has(context, 'n')) {
        context->cancel = cancel;
        context->get_poll_handles = get_poll_handles;
        context->set_locality = set_locality;
    }
    return 0;
}

const struct info *Tss2_Tcti_Info(void)
{
    static const struct info info = { 2, "odd", "for tests", "letters", init };
    return &info;
}
