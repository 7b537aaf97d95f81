/* The quick ways of a live fence that nobody observes, compiled.
 *
 * Each function here is, look by look and change by change, the Python function of the same name
 * in fence.py and fence_fused.py: read those first, the reasons stand there. They run under the
 * same runtime mutex, taken and freed by calling it, and leave to the Python method whatever the
 * quick way does not cover (a lock of the driver's, hooks, an observer, an unusual argument).
 *
 * What is different:
 * - Fields of Fence, Timeline, Callback, State and Task are read and written in place. Their
 *   classes are Python classes with __slots__; bind() asks each slot's descriptor where it lies.
 * - A Python signal handler can start only inside a call that may run Python code. The lines
 *   between looking and changing have none, as there.
 * - The live runtime's task, mutex and parked steps are read in its slots as well, where `current()`
 *   and attributes say the same; its mutex is taken and freed by calls, as there.
 * - A look at a fence without the mutex is one read and one reference taken. With the GIL nobody
 *   comes in between; a free-threaded Python is refused, and is served by the Python code.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#ifdef Py_GIL_DISABLED
#error "a free-threaded Python uses the Python code: see docs/limits.md"
#endif

enum { SIGNALED = 1, TIMESTAMP = 2, ENABLED = 4 }; /* as in fence_steps.py */

/* -- what bind() finds out ---------------------------------------------------------------- */

static struct {
    int active; /* bound, and not switched off by use() */
    PyTypeObject *fence, *timeline, *callback, *state, *task;
    PyTypeObject *runtime, *refused; /* the live runtime's class, and one that is another */
    PyTypeObject *mutex;             /* the kind of lock it has, and the methods of that: */
    PyObject *acquire, *release;     /* looking them up would cost as much as taking it */
    PyObject *clock, *zero, *one;
    Py_ssize_t fence_state, fence_timeline;
    Py_ssize_t timeline_rt, timeline_lock, timeline_hooked, timeline_lock_name;
    Py_ssize_t callback_fn, callback_owner, callback_queued, callback_timestamp;
    Py_ssize_t state_name, state_rt, state_owner, state_flags, state_error, state_callbacks;
    Py_ssize_t state_timestamp, state_references;
    Py_ssize_t task_atomic, task_held, task_in_irq, task_irqs_off, task_signalling;
    Py_ssize_t runtime_local, runtime_mutex, runtime_parked, runtime_quick;
} known;

static struct {
    PyObject *current, *run_callbacks, *settle, *signal, *task, *wake, *wrapped;
} names;

#define FIELD(object, field) (*(PyObject **)((char *)(object) + known.field))

/* Change a field. What it held is dropped last, as dropping it may run code. */
#define PUT(object, field, value)                                                                 \
    do {                                                                                          \
        PyObject *put_new = Py_NewRef(value), *put_old = FIELD(object, field);                    \
        FIELD(object, field) = put_new;                                                           \
        Py_XDECREF(put_old);                                                                      \
    } while (0)

static inline int
is_a(PyObject *object, PyTypeObject *type)
{
    return object != NULL && PyObject_TypeCheck(object, type);
}

/* Where a slot of a class lies in its objects. */
static int
find(PyTypeObject *type, const char *name, Py_ssize_t *offset)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)type, name);
    if (found == NULL) {
        return -1;
    }
    int is_slot = Py_IS_TYPE(found, &PyMemberDescr_Type) &&
                  ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX;
    if (is_slot) {
        *offset = ((PyMemberDescrObject *)found)->d_member->offset;
    }
    else {
        PyErr_Format(PyExc_TypeError, "%s.%s is no slot", type->tp_name, name);
    }
    Py_DECREF(found);
    return is_slot ? 0 : -1;
}

/* The live runtime's fields, and how its kind of mutex is taken. */
static int
find_runtime(PyObject *rt)
{
    PyTypeObject *type = Py_TYPE(rt);
    if (find(type, "_local", &known.runtime_local) < 0 ||
        find(type, "mutex", &known.runtime_mutex) < 0 ||
        find(type, "parked", &known.runtime_parked) < 0 ||
        find(type, "quick", &known.runtime_quick) < 0 || FIELD(rt, runtime_mutex) == NULL) {
        return -1;
    }
    PyTypeObject *mutex = Py_TYPE(FIELD(rt, runtime_mutex));
    Py_XSETREF(known.mutex, (PyTypeObject *)Py_NewRef(mutex));
    Py_XSETREF(known.acquire, PyObject_GetAttrString((PyObject *)mutex, "acquire"));
    Py_XSETREF(known.release, PyObject_GetAttrString((PyObject *)mutex, "release"));
    return known.acquire == NULL || known.release == NULL ? -1 : 0;
}

/* -- small steps; 0 or more if all is well, -1 with an exception --------------------------- */

static int
call_and_drop(PyObject *result)
{
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int
take(PyObject *mutex)
{
    return call_and_drop(PyObject_CallOneArg(known.acquire, mutex));
}

/* Put back an exception that was set aside; if another came meanwhile, this is its context. */
static int
put_back(PyObject *type, PyObject *value, PyObject *trace)
{
    if (type == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (!PyErr_Occurred()) {
        PyErr_Restore(type, value, trace);
        return -1;
    }
    PyObject *new_type, *new_value, *new_trace;
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != NULL) {
        PyException_SetTraceback(value, trace);
    }
    PyErr_Fetch(&new_type, &new_value, &new_trace);
    PyErr_NormalizeException(&new_type, &new_value, &new_trace);
    if (new_value != value) {
        PyException_SetContext(new_value, Py_NewRef(value));
    }
    PyErr_Restore(new_type, new_value, new_trace);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return -1;
}

/* An exception that was set aside. */
typedef struct {
    PyObject *type, *value, *trace;
} Aside;

/* Take the mutex whatever signal handlers raise meanwhile; the first exception is set aside. */
static void
take_again(PyObject *mutex, Aside *raised)
{
    raised->type = raised->value = raised->trace = NULL;
    while (take(mutex) < 0) {
        if (raised->type == NULL) {
            PyErr_Fetch(&raised->type, &raised->value, &raised->trace);
        }
        PyErr_Clear();
        PyObject *owned = PyObject_CallMethod(mutex, "_is_owned", NULL);
        Py_XDECREF(owned);
        if (owned == Py_True) { /* the handler ran just after */
            return;
        }
    }
}

/* `finally: mutex.release()`; an exception that is on its way goes on afterwards. */
static int
let_go(PyObject *mutex)
{
    PyObject *type, *value, *trace;
    if (!PyErr_Occurred()) {
        return call_and_drop(PyObject_CallOneArg(known.release, mutex));
    }
    PyErr_Fetch(&type, &value, &trace);
    call_and_drop(PyObject_CallOneArg(known.release, mutex));
    return put_back(type, value, trace);
}

static inline int
is_quick(PyObject *rt)
{
    return FIELD(rt, runtime_quick) == Py_True;
}

/* Does anybody wait, on `object` or, if that is NULL, on anything? */
static int
is_parked_on(PyObject *rt, PyObject *object)
{
    PyObject *parked = FIELD(rt, runtime_parked);
    if (PyDict_GET_SIZE(parked) == 0 || object == NULL) {
        return PyDict_GET_SIZE(parked) > 0;
    }
    PyObject *key = PyLong_FromVoidPtr(object); /* id(object) */
    int answer = key == NULL ? -1 : PyDict_Contains(parked, key);
    Py_XDECREF(key);
    return answer;
}

/* rt.current() */
static PyObject *
current_task(PyObject *rt)
{
    PyObject *task = PyObject_GetAttr(FIELD(rt, runtime_local), names.task);
    if (task == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) { /* not yet known there */
        PyErr_Clear();
        task = PyObject_CallMethodNoArgs(rt, names.current);
    }
    return task;
}

static int
wake_if_parked(PyObject *rt, PyObject *object)
{
    int parked = is_parked_on(rt, object);
    if (parked <= 0) {
        return parked;
    }
    return call_and_drop(PyObject_CallMethodOneArg(rt, names.wake, object));
}

/* task.field += by, for the counters of a task; they are small. */
static int
count(PyObject *task, Py_ssize_t offset, long by)
{
    PyObject **field = (PyObject **)((char *)task + offset), *old = *field;
    long value = PyLong_AsLong(old); /* of NULL: an exception */
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    PyObject *new = PyLong_FromLong(value + by);
    if (new == NULL) {
        return -1;
    }
    *field = new;
    Py_DECREF(old);
    return 0;
}

static int
raise_flags(PyObject *state, long flags)
{
    long before = PyLong_AsLong(FIELD(state, state_flags));
    if (before == -1 && PyErr_Occurred()) {
        return -1;
    }
    PyObject *after = PyLong_FromLong(before | flags);
    if (after == NULL) {
        return -1;
    }
    PUT(state, state_flags, after);
    Py_DECREF(after);
    return 0;
}

static inline int
is_set(PyObject *task, Py_ssize_t offset)
{
    PyObject *value = *(PyObject **)((char *)task + offset);
    return value != known.zero && value != Py_False;
}

/* -- one signal ------------------------------------------------------------------------------ */

/* What signal_one and signal_fused have in common; all references are owned. */
typedef struct {
    PyObject *fence, *rt, *task, *mutex;
    int opens_section;
} Signalling;

static void
forget(Signalling *on)
{
    Py_XDECREF(on->task);
    Py_XDECREF(on->mutex);
}

/* Task, mutex, interrupts off, and the mutex taken. */
static int
begin(Signalling *on, PyObject *fence, PyObject *rt)
{
    on->fence = fence;
    on->rt = rt;
    on->mutex = NULL;
    on->task = current_task(rt);
    if (on->task == NULL) {
        return -1;
    }
    if (!is_a(on->task, known.task) || FIELD(on->task, task_held) == NULL) {
        PyErr_SetString(PyExc_TypeError, "the runtime's current task is no Task");
        return -1;
    }
    on->mutex = Py_NewRef(FIELD(rt, runtime_mutex));
    on->opens_section =
        !(is_set(on->task, known.task_signalling) || is_set(on->task, known.task_atomic) ||
          is_set(on->task, known.task_irqs_off) || is_set(on->task, known.task_in_irq));
    if (count(on->task, known.task_irqs_off, 1) < 0) {
        return -1;
    }
    if (take(on->mutex) < 0) { /* a signal handler raised while we waited for it */
        PyObject *type, *value, *trace;
        PyErr_Fetch(&type, &value, &trace);
        count(on->task, known.task_irqs_off, -1);
        return put_back(type, value, trace);
    }
    return 0;
}

static int
note_held(Signalling *on, PyObject *lock)
{
    return PyObject_SetItem(FIELD(on->task, task_held), lock, known.one);
}

static int
enter_section(Signalling *on)
{
    if (on->opens_section) {
        PUT(on->task, task_signalling, known.one);
    }
    return count(on->task, known.task_atomic, 1);
}

static int
leave_section(Signalling *on, PyObject *lock)
{
    if (PyObject_DelItem(FIELD(on->task, task_held), lock) < 0 ||
        count(on->task, known.task_atomic, -1) < 0) {
        return -1;
    }
    if (on->opens_section) {
        PUT(on->task, task_signalling, known.zero);
    }
    return 0;
}

/* Interrupts on again; what others deferred is done at this safe point. */
static int
end(Signalling *on)
{
    if (count(on->task, known.task_irqs_off, -1) < 0) {
        return -1;
    }
    if (is_quick(on->rt)) {
        return 0;
    }
    return call_and_drop(PyObject_CallMethodOneArg(on->rt, names.settle, on->task));
}

/* The guard does not hold: the generic steps see to it. */
static int
signal_generic(Signalling *on)
{
    if (count(on->task, known.task_irqs_off, -1) < 0) {
        return -1;
    }
    return call_and_drop(PyObject_CallMethodOneArg(on->fence, names.signal, Py_None));
}

/* callback.fn(fence) */
static int
run(PyObject *callback, PyObject *fence)
{
    PyObject *fn = FIELD(callback, callback_fn);
    if (fn == NULL) {
        PyErr_SetString(PyExc_AttributeError, "fn");
        return -1;
    }
    if (Py_EnterRecursiveCall(" in a callback of a fence")) {
        return -1;
    }
    Py_INCREF(fn);
    PyObject *result = PyObject_CallOneArg(fn, fence);
    Py_DECREF(fn);
    Py_LeaveRecursiveCall();
    return call_and_drop(result);
}

/* What follows the callback of signal_one, under the mutex; the lock is left in `*lock`. */
static int
unlock_one(Signalling *on, PyObject *callback, PyObject *now, PyObject **lock)
{
    *lock = Py_XNewRef(FIELD(on->fence, fence_state));
    if (*lock == callback) {
        PUT(on->fence, fence_state, now);
    }
    else if (is_a(*lock, known.state)) { /* somebody needed a whole state meanwhile */
        PUT(*lock, state_owner, Py_None);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "a fence lost its lock while its callback ran");
        return -1;
    }
    int parked = is_parked_on(on->rt, NULL);
    if (parked <= 0) {
        return parked;
    }
    return call_and_drop(
        PyObject_CallMethodObjArgs(on->rt, names.wake, callback, *lock, NULL));
}

static int
finish_one(Signalling *on, PyObject *callback, PyObject *now)
{
    PyObject *lock = NULL;
    Aside raised;
    take_again(on->mutex, &raised);
    unlock_one(on, callback, now, &lock);
    int failed = let_go(on->mutex) < 0;
    if (!failed) {
        failed = leave_section(on, lock) < 0 || end(on) < 0;
    }
    Py_XDECREF(lock);
    return put_back(raised.type, raised.value, raised.trace) < 0 || failed ? -1 : 0;
}

/* fence_fused.signal_one: a fence with one callback and nothing else, which stands for its lock. */
static int
signal_one(PyObject *fence, PyObject *rt, PyObject *callback)
{
    Signalling on;
    PyObject *now = NULL;
    int runs = 0, failed = 1;
    if (begin(&on, fence, rt) < 0) {
        forget(&on);
        return -1;
    }
    now = PyObject_CallNoArgs(known.clock);
    if (now != NULL) {
        runs = FIELD(fence, fence_state) == callback && FIELD(callback, callback_owner) == Py_None;
        failed = 0;
    }
    if (runs) {
        PUT(callback, callback_timestamp, now);
        PUT(callback, callback_owner, on.task);
        PUT(callback, callback_queued, Py_False);
        if (note_held(&on, callback) == 0) {
            wake_if_parked(rt, fence);
        }
    }
    failed = let_go(on.mutex) < 0 || failed;
    if (!failed && !runs) {
        failed = signal_generic(&on) < 0;
    }
    else if (!failed) {
        PyObject *type, *value, *trace;
        if (enter_section(&on) == 0) {
            run(callback, fence);
        }
        PyErr_Fetch(&type, &value, &trace);
        finish_one(&on, callback, now);
        failed = put_back(type, value, trace) < 0;
    }
    Py_XDECREF(now);
    forget(&on);
    return failed ? -1 : 0;
}

/* Under the mutex: mark the fence, take its lock and its callbacks; NULL if the guard is false. */
static PyObject *
mark(Signalling *on, PyObject **lock)
{
    PyObject *now = PyObject_CallNoArgs(known.clock);
    PyObject *state = FIELD(on->fence, fence_state), *callbacks;
    if (now == NULL) {
        return NULL;
    }
    if (!is_a(state, known.state) || FIELD(state, state_owner) != Py_None ||
        (callbacks = FIELD(state, state_callbacks)) == NULL || !PyList_CheckExact(callbacks) ||
        PyList_GET_SIZE(callbacks) == 0) {
        Py_DECREF(now);
        return NULL;
    }
    *lock = Py_NewRef(state);
    Py_INCREF(callbacks);
    PUT(state, state_callbacks, Py_None);
    PUT(state, state_timestamp, now);
    Py_DECREF(now);
    PUT(state, state_owner, on->task);
    if (raise_flags(state, SIGNALED | TIMESTAMP) == 0) {
        wake_if_parked(on->rt, on->fence);
    }
    return callbacks;
}

static int
run_all(PyObject *fence, PyObject *callbacks)
{
    PyObject *first = PyList_GET_ITEM(callbacks, 0);
    if (PyList_GET_SIZE(callbacks) > 1 || !is_a(first, known.callback)) {
        return call_and_drop(PyObject_CallMethodOneArg(fence, names.run_callbacks, callbacks));
    }
    PUT(first, callback_queued, Py_False);
    return run(first, fence); /* `callbacks` keeps it: the list is ours alone */
}

static int
finish_fused(Signalling *on, PyObject *lock)
{
    Aside raised;
    if (leave_section(on, lock) < 0) {
        return -1;
    }
    take_again(on->mutex, &raised);
    PUT(lock, state_owner, Py_None);
    wake_if_parked(on->rt, lock);
    int failed = let_go(on->mutex) < 0 || end(on) < 0;
    return put_back(raised.type, raised.value, raised.trace) < 0 || failed ? -1 : 0;
}

/* fence_fused.signal_fused: SIGNAL, the callbacks under the lock, UNLOCK. */
static int
signal_fused(PyObject *fence, PyObject *rt)
{
    Signalling on;
    PyObject *lock = NULL, *callbacks;
    if (begin(&on, fence, rt) < 0) {
        forget(&on);
        return -1;
    }
    callbacks = mark(&on, &lock);
    int failed = let_go(on.mutex) < 0;
    if (!failed && callbacks == NULL) {
        failed = signal_generic(&on) < 0;
    }
    else if (!failed) {
        PyObject *type, *value, *trace;
        if (enter_section(&on) == 0 && note_held(&on, lock) == 0) {
            run_all(fence, callbacks);
        }
        PyErr_Fetch(&type, &value, &trace);
        finish_fused(&on, lock);
        failed = put_back(type, value, trace) < 0;
    }
    Py_XDECREF(callbacks);
    Py_XDECREF(lock);
    forget(&on);
    return failed ? -1 : 0;
}

/* Signal a pending fence that nobody looked at: 1 done, 0 not pending any more, -1 failed. */
static int
signal_plain(PyObject *fence, PyObject *rt)
{
    int done = 0, failed = 0;
    PyObject *mutex = Py_NewRef(FIELD(rt, runtime_mutex));
    if (take(mutex) < 0) {
        Py_DECREF(mutex);
        return -1;
    }
    PyObject *now = PyObject_CallNoArgs(known.clock);
    if (now != NULL && FIELD(fence, fence_state) == Py_None) {
        PUT(fence, fence_state, now);
        done = 1;
        wake_if_parked(rt, fence);
    }
    failed = let_go(mutex) < 0;
    Py_XDECREF(now);
    Py_DECREF(mutex);
    return failed ? -1 : done;
}

/* -- the methods: 1 done with `*result` set, 0 not for the quick way, -1 failed --------------- */

typedef int (*Quick)(PyObject *fence, PyObject *argument, PyObject **result);

/* Is `type` dmabuf.rt.threads.Threads, or one that does not make tasks in its own way? */
static int
is_live(PyTypeObject *type)
{
    PyObject *name = PyUnicode_FromString("dmabuf.rt.threads"), *module = NULL, *class = NULL;
    PyObject *its = NULL, *ours = NULL;
    int answer = name != NULL && (module = PyImport_GetModule(name)) != NULL &&
                 (class = PyObject_GetAttrString(module, "Threads")) != NULL &&
                 PyType_Check(class) && PyType_IsSubtype(type, (PyTypeObject *)class) &&
                 (its = PyObject_GetAttr((PyObject *)type, names.current)) != NULL &&
                 (ours = PyObject_GetAttr(class, names.current)) != NULL && its == ours;
    Py_XDECREF(name);
    Py_XDECREF(module);
    Py_XDECREF(class);
    Py_XDECREF(its);
    Py_XDECREF(ours);
    return answer;
}

/* Another class of runtime: may its fields be read? They are found here and not in bind(), as the
 * module of the live runtime is imported late. */
static int
meet(PyObject *rt)
{
    PyTypeObject *type = Py_TYPE(rt);
    if (type == known.refused) {
        return 0;
    }
    Py_CLEAR(known.runtime);
    int may = is_live(type) && find_runtime(rt) == 0;
    PyErr_Clear();
    if (may) {
        known.runtime = (PyTypeObject *)Py_NewRef(type);
    }
    else {
        Py_XSETREF(known.refused, (PyTypeObject *)Py_NewRef(type));
    }
    return may;
}

/* The runtime if the quick way is open, a new reference; `unless` is a field that must be so. */
static PyObject *
quick_runtime(PyObject *timeline, Py_ssize_t unless, PyObject *so)
{
    if (!is_a(timeline, known.timeline) || *(PyObject **)((char *)timeline + unless) != so) {
        return NULL;
    }
    PyObject *rt = FIELD(timeline, timeline_rt);
    if (rt == NULL || (!Py_IS_TYPE(rt, known.runtime) && !meet(rt)) || !is_quick(rt) ||
        !is_a(FIELD(rt, runtime_mutex), known.mutex) ||
        !is_a(FIELD(rt, runtime_parked), &PyDict_Type) || FIELD(rt, runtime_local) == NULL) {
        return NULL;
    }
    return Py_NewRef(rt);
}

/* Fence.signal without a timestamp */
static int
quick_signal(PyObject *fence, PyObject *Py_UNUSED(none), PyObject **result)
{
    int done = 0;
    PyObject *rt = quick_runtime(FIELD(fence, fence_timeline), known.timeline_lock, Py_None);
    if (rt == NULL) {
        return 0;
    }
    PyObject *state = Py_XNewRef(FIELD(fence, fence_state));
    if (state == NULL) {
        Py_DECREF(rt);
        return 0;
    }
    if (state == Py_None) {
        done = signal_plain(fence, rt);
    }
    else if (is_a(state, known.callback)) {
        done = signal_one(fence, rt, state) < 0 ? -1 : 1;
    }
    if (done == 0) {
        done = signal_fused(fence, rt) < 0 ? -1 : 1;
    }
    Py_DECREF(state);
    Py_DECREF(rt);
    *result = done < 0 ? NULL : Py_NewRef(Py_None);
    return done;
}

/* fence_steps.new_state, of a pending fence with the flag ENABLED */
static PyObject *
enabled_state(PyObject *timeline, PyObject *callbacks)
{
    PyObject *state = known.state->tp_alloc(known.state, 0), *flags = PyLong_FromLong(ENABLED);
    if (state == NULL || flags == NULL || FIELD(timeline, timeline_lock_name) == NULL) {
        Py_XDECREF(state);
        Py_XDECREF(flags);
        return NULL;
    }
    PUT(state, state_name, FIELD(timeline, timeline_lock_name));
    PUT(state, state_rt, FIELD(timeline, timeline_rt));
    PUT(state, state_owner, Py_None);
    PUT(state, state_flags, flags);
    PUT(state, state_error, known.zero);
    PUT(state, state_callbacks, callbacks);
    PUT(state, state_timestamp, known.zero);
    PUT(state, state_references, known.one);
    Py_DECREF(flags);
    return state;
}

/* Under the mutex: make a whole state of the one callback that is there, with another one. */
static int
add_second(PyObject *fence, PyObject *first, PyObject *callback)
{
    int done = 0;
    PyObject *state = NULL, *callbacks = PyList_New(2);
    if (callbacks != NULL) {
        PyList_SET_ITEM(callbacks, 0, Py_NewRef(first));
        PyList_SET_ITEM(callbacks, 1, Py_NewRef(callback));
        state = enabled_state(FIELD(fence, fence_timeline), callbacks);
    }
    /* the collector may have run in there, and finalisers with it: look again, then change */
    if (state != NULL && FIELD(fence, fence_state) == first &&
        FIELD(first, callback_owner) == Py_None) {
        PUT(fence, fence_state, state);
        done = 1;
    }
    Py_XDECREF(callbacks);
    Py_XDECREF(state);
    return state == NULL && PyErr_Occurred() ? -1 : done;
}

/* Under the mutex: queue a callback, where the lock is free and the fence pending. */
static int
add(PyObject *fence, PyObject *callback)
{
    PyObject *state = FIELD(fence, fence_state), *callbacks;
    if (state == Py_None) {
        PUT(fence, fence_state, callback);
        return 1;
    }
    if (is_a(state, known.callback)) {
        Py_INCREF(state);
        int done = add_second(fence, state, callback);
        Py_DECREF(state);
        return done;
    }
    if (!is_a(state, known.state) || FIELD(state, state_owner) != Py_None ||
        (callbacks = FIELD(state, state_callbacks)) == NULL || !PyList_CheckExact(callbacks)) {
        return 0;
    }
    return PyList_Append(callbacks, callback) < 0 || raise_flags(state, ENABLED) < 0 ? -1 : 1;
}

/* Fence.add_callback and fence_fused.add_fused */
static int
quick_add_callback(PyObject *fence, PyObject *fn, PyObject **result)
{
    if (!PyCallable_Check(fn)) {
        return 0;
    }
    PyObject *rt = quick_runtime(FIELD(fence, fence_timeline), known.timeline_hooked, Py_False);
    if (rt == NULL) {
        return 0;
    }
    PyObject *mutex = Py_NewRef(FIELD(rt, runtime_mutex));
    PyObject *callback = known.callback->tp_alloc(known.callback, 0);
    Py_DECREF(rt);
    if (callback == NULL) {
        Py_DECREF(mutex);
        return -1;
    }
    PUT(callback, callback_fn, fn);
    PUT(callback, callback_owner, Py_None);
    PUT(callback, callback_queued, Py_True);
    int done = take(mutex);
    if (done == 0) {
        done = add(fence, callback);
        done = let_go(mutex) < 0 ? -1 : done;
    }
    Py_DECREF(mutex);
    if (done <= 0) {
        Py_DECREF(callback); /* the Python method makes its own */
        return done;
    }
    *result = callback;
    return 1;
}

/* -- a method of Fence: a Python function with a quick way ------------------------------------ */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *function;
    Quick quick;
    Py_ssize_t arguments; /* of the quick way, the fence not counted */
} Method;

static PyObject *
method_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Method *method = (Method *)self;
    if (known.active && PyVectorcall_NARGS(nargsf) == method->arguments + 1 && kwnames == NULL &&
        PyObject_TypeCheck(args[0], known.fence)) {
        PyObject *result = NULL;
        int done = method->quick(args[0], method->arguments ? args[1] : NULL, &result);
        if (done != 0) {
            return result;
        }
    }
    return PyObject_Vectorcall(method->function, args, nargsf, kwnames);
}

static PyObject *
method_get(PyObject *self, PyObject *object, PyObject *Py_UNUSED(type))
{
    return object == NULL || object == Py_None ? Py_NewRef(self) : PyMethod_New(self, object);
}

/* Name, docstring, signature and whatever else are those of the Python function. */
static PyObject *
method_getattro(PyObject *self, PyObject *name)
{
    PyObject *function = ((Method *)self)->function;
    if (PyUnicode_Compare(name, names.wrapped) == 0) {
        return Py_NewRef(function);
    }
    if (PyUnicode_CompareWithASCIIString(name, "__class__") == 0) {
        return PyObject_GenericGetAttr(self, name);
    }
    return PyObject_GetAttr(function, name);
}

static PyObject *
method_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<compiled with %R>", ((Method *)self)->function);
}

static int
method_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Method *)self)->function);
    return 0;
}

static int
method_clear(PyObject *self)
{
    Py_CLEAR(((Method *)self)->function);
    return 0;
}

static void
method_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    method_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
method_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const struct {
        const char *name;
        Quick quick;
        Py_ssize_t arguments;
    } ways[] = {
        {"signal", quick_signal, 0},
        {"add_callback", quick_add_callback, 1},
    };
    PyObject *function;
    if (kwargs != NULL || !PyArg_ParseTuple(args, "O:Method", &function)) {
        return NULL;
    }
    PyObject *name = PyObject_GetAttrString(function, "__name__");
    if (name == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(ways); i++) {
        if (!PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, ways[i].name) != 0) {
            continue;
        }
        Method *method = (Method *)type->tp_alloc(type, 0);
        if (method != NULL) {
            method->vectorcall = method_call;
            method->function = Py_NewRef(function);
            method->quick = ways[i].quick;
            method->arguments = ways[i].arguments;
        }
        Py_DECREF(name);
        return (PyObject *)method;
    }
    PyErr_Format(PyExc_LookupError, "no quick way of %R", name);
    Py_DECREF(name);
    return NULL;
}

static PyMemberDef method_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Method, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot method_slots[] = {
    {Py_tp_new, method_new},
    {Py_tp_dealloc, method_dealloc},
    {Py_tp_traverse, method_traverse},
    {Py_tp_clear, method_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, method_get},
    {Py_tp_getattro, method_getattro},
    {Py_tp_repr, method_repr},
    {Py_tp_members, method_members},
    {0, NULL},
};

static PyType_Spec method_spec = {
    .name = "dmabuf.core._fused.Method",
    .basicsize = sizeof(Method),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = method_slots,
};

/* -- the module ------------------------------------------------------------------------------- */

static int
find_all(void)
{
    const struct {
        PyTypeObject *type;
        const char *name;
        Py_ssize_t *offset;
    } wanted[] = {
        {known.fence, "_state", &known.fence_state},
        {known.fence, "timeline", &known.fence_timeline},
        {known.timeline, "rt", &known.timeline_rt},
        {known.timeline, "lock", &known.timeline_lock},
        {known.timeline, "hooked", &known.timeline_hooked},
        {known.timeline, "lock_name", &known.timeline_lock_name},
        {known.callback, "fn", &known.callback_fn},
        {known.callback, "owner", &known.callback_owner},
        {known.callback, "queued", &known.callback_queued},
        {known.callback, "timestamp", &known.callback_timestamp},
        {known.state, "name", &known.state_name},
        {known.state, "rt", &known.state_rt},
        {known.state, "owner", &known.state_owner},
        {known.state, "flags", &known.state_flags},
        {known.state, "error", &known.state_error},
        {known.state, "callbacks", &known.state_callbacks},
        {known.state, "timestamp", &known.state_timestamp},
        {known.state, "references", &known.state_references},
        {known.task, "atomic", &known.task_atomic},
        {known.task, "held", &known.task_held},
        {known.task, "in_irq", &known.task_in_irq},
        {known.task, "irqs_off", &known.task_irqs_off},
        {known.task, "signalling", &known.task_signalling},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(wanted); i++) {
        if (find(wanted[i].type, wanted[i].name, wanted[i].offset) < 0) {
            return -1;
        }
    }
    return 0;
}

PyDoc_STRVAR(bind_doc, "bind(fence, timeline, callback, state, task, clock, /)\n--\n\n"
                       "Tell the methods their classes; until then they are the Python ones.");

static PyObject *
bind(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyTypeObject **types[] = {&known.fence, &known.timeline, &known.callback, &known.state,
                              &known.task};
    const Py_ssize_t classes = Py_ARRAY_LENGTH(types);
    int before = known.clock == NULL || known.active;
    known.active = 0;
    if (PyTuple_GET_SIZE(args) != classes + 1) {
        PyErr_SetString(PyExc_TypeError, "bind takes five classes and a clock");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < classes; i++) {
        PyObject *given = PyTuple_GET_ITEM(args, i);
        if (!PyType_Check(given)) {
            PyErr_Format(PyExc_TypeError, "%R is no class", given);
            return NULL;
        }
        Py_XSETREF(*types[i], (PyTypeObject *)Py_NewRef(given));
    }
    Py_XSETREF(known.clock, Py_NewRef(PyTuple_GET_ITEM(args, classes)));
    if (find_all() < 0) {
        return NULL;
    }
    known.active = before;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(use_doc, "use(wanted, /)\n--\n\n"
                      "Take the quick ways, or leave everything to Python; what it was before.");

static PyObject *
use(PyObject *Py_UNUSED(module), PyObject *wanted)
{
    int before = known.active, now = PyObject_IsTrue(wanted);
    if (now < 0) {
        return NULL;
    }
    known.active = now && known.clock != NULL;
    return PyBool_FromLong(before);
}

static PyMethodDef functions[] = {
    {"bind", bind, METH_VARARGS, bind_doc},
    {"use", use, METH_O, use_doc},
    {NULL, NULL, 0, NULL},
};

static int
intern_all(void)
{
    const struct {
        PyObject **where;
        const char *text;
    } wanted[] = {
        {&names.current, "current"}, {&names.run_callbacks, "run_callbacks"},
        {&names.settle, "settle"},   {&names.signal, "_signal"},
        {&names.task, "task"},       {&names.wake, "wake"},
        {&names.wrapped, "__wrapped__"},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(wanted); i++) {
        if (*wanted[i].where == NULL &&
            (*wanted[i].where = PyUnicode_InternFromString(wanted[i].text)) == NULL) {
            return -1;
        }
    }
    known.zero = PyLong_FromLong(0); /* the interpreter has one zero and one one */
    known.one = PyLong_FromLong(1);
    return known.zero == NULL || known.one == NULL ? -1 : 0;
}

static int
start(PyObject *module)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "for the main interpreter only");
        return -1;
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &method_spec, NULL);
    if (type == NULL || intern_all() < 0) {
        Py_XDECREF(type);
        return -1;
    }
    int added = PyModule_AddObjectRef(module, "Method", type);
    Py_DECREF(type);
    return added;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, start},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "dmabuf.core._fused",
    .m_doc = "The quick ways of a live fence, compiled (see core/compiled.py).",
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__fused(void)
{
    return PyModuleDef_Init(&module);
}
